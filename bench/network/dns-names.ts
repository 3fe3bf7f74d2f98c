/** What the resolver and dnsmasq are both told and asked. */
export const SANDBOX = 'bench';

export function benchNames(): readonly { readonly name: string; readonly address: string }[] {
  return Array.from({ length: 200 }, (_, i) => ({ name: `service${i}`, address: `10.0.1.${i + 1}` }));
}
