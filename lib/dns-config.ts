import { invalidArgument } from './errors.js';
import { isAddress } from './ip.js';

/** What of resolv.conf(5) is a container's own. */
export interface DnsConfig {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Labels of DNS, with the underscore of services' names (RFC 2782). */
const DOMAIN = /^[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9])?)*\.?$/;
/** Resolvers ignore options that they do not know; but each is one word of a line. */
const OPTION = /^[\x21-\x7e]+$/;

/** @throws INVALID_ARGUMENT */
export function checkDnsConfig({ nameservers, search, options }: DnsConfig): void {
  for (const server of nameservers) {
    if (!isAddress(server)) throw invalidArgument(`"${server}" is not the address of a name server`, { value: server });
  }
  for (const domain of search) {
    if (domain !== '.' && !DOMAIN.test(domain))
      throw invalidArgument(`${JSON.stringify(domain)} is not a search domain`, { value: domain });
  }
  for (const option of options) {
    if (!OPTION.test(option))
      throw invalidArgument(`${JSON.stringify(option)} is not a DNS option`, {
        value: option,
        hint: 'It is one word, as ndots:1 or use-vc.',
      });
  }
}
