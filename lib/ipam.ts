import { invalidArgument } from './errors.js';
import { type Cidr, contains, formatAddress, formatCidr, overlaps, parseAddress, parseCidr } from './ip.js';

/** A subnet as networks describe it; empty: not given. */
export interface SubnetConfig {
  readonly subnet: string;
  /** Addresses are given from this part of it alone. */
  readonly ipRange: string;
  readonly gateway: string;
  /** Never given: they are others' already. By any name. */
  readonly auxiliaryAddresses: Readonly<Record<string, string>>;
}

/** No more addresses of one subnet are managed than this, however large an IPv6 subnet is. */
const MAX_OFFSET = 2 ** 32 - 1;

/**
 * The addresses of one subnet. Gives the lowest free one after the last that it gave, so that an
 * address is not used again as soon as it is free: neighbours, conntrack and DNS caches elsewhere
 * may still know its former owner.
 */
export class Subnet {
  readonly cidr: Cidr;
  /** Those that are taken, or never given: gateway, auxiliary addresses. */
  readonly #taken = new Set<bigint>();
  readonly #first: number;
  readonly #last: number;
  #free: number;
  #cursor: number;

  /** @throws INVALID_ARGUMENT when a part of the configuration does not parse or is not in the subnet */
  constructor(config: SubnetConfig) {
    this.cidr = parseCidr(config.subnet);
    const range = config.ipRange === '' ? this.cidr : parseCidr(config.ipRange);
    if (range.base < this.cidr.base || range.last > this.cidr.last)
      throw invalidArgument(`range ${config.ipRange} is not in subnet ${config.subnet}`, { value: config.ipRange });
    // The base names the subnet; the last one is IPv4's broadcast. /31, /32, /127 and /128 have neither.
    const bits = (this.cidr.family === 4 ? 32 : 128) - this.cidr.prefix;
    const lowest = bits > 1 ? 1 : 0;
    const highest = this.#offset(this.cidr.last) - (bits > 1 && this.cidr.family === 4 ? 1 : 0);
    this.#first = Math.max(lowest, this.#offset(range.base));
    this.#last = Math.min(highest, this.#offset(range.last), MAX_OFFSET);
    this.#free = Math.max(0, this.#last - this.#first + 1);
    this.#cursor = this.#first - 1;
    for (const text of [config.gateway, ...Object.values(config.auxiliaryAddresses)]) {
      if (text !== '' && !this.reserve(parseAddress(text).value))
        throw invalidArgument(`address ${text} is not a free address of subnet ${config.subnet}`, { value: text });
    }
  }

  get free(): number {
    return this.#free;
  }

  get size(): number {
    return Math.max(0, this.#last - this.#first + 1);
  }

  /** Takes the next free address. Undefined when there is none. */
  take(): bigint | undefined {
    if (this.#free === 0) return undefined;
    for (let tried = this.#first; tried <= this.#last; tried++) {
      this.#cursor = this.#cursor >= this.#last ? this.#first : Math.max(this.#first, this.#cursor + 1);
      const address = this.cidr.base + BigInt(this.#cursor);
      if (this.#taken.has(address)) continue;
      this.reserve(address);
      return address;
    }
    return undefined;
  }

  /** Takes this address. False when it is taken, or not in the subnet. */
  reserve(address: bigint): boolean {
    if (!contains(this.cidr, { family: this.cidr.family, value: address })) return false;
    if (this.#taken.has(address)) return false;
    this.#taken.add(address);
    const offset = this.#offset(address);
    if (offset >= this.#first && offset <= this.#last) this.#free--;
    return true;
  }

  /** For what is read back from the store: what was given last, as far as can be told, is given last again. */
  resume(): void {
    for (const address of this.#taken) {
      const offset = this.#offset(address);
      if (offset <= this.#last) this.#cursor = Math.max(this.#cursor, offset);
    }
  }

  release(address: bigint): void {
    const offset = this.#offset(address);
    if (this.#taken.delete(address) && offset >= this.#first && offset <= this.#last) this.#free++;
  }

  /** `10.0.1.5/24`: an address with its subnet's prefix length. */
  format(address: bigint): string {
    return `${formatAddress({ family: this.cidr.family, value: address })}/${this.cidr.prefix}`;
  }

  /** From the base; beyond 2^53, where addresses are only asked for, not exact. */
  #offset(address: bigint): number {
    return Number(address - this.cidr.base);
  }
}

/**
 * The lowest subnet of the pools that overlaps none of `taken`; undefined when all are.
 * @param pools CIDRs, in the order of preference
 * @param prefix length of the subnet's prefix
 */
export function nextSubnet(pools: readonly Cidr[], prefix: number, taken: readonly Cidr[]): Cidr | undefined {
  for (const pool of pools) {
    const bits = pool.family === 4 ? 32 : 128;
    if (prefix < pool.prefix || prefix > bits) continue;
    const step = 1n << BigInt(bits - prefix);
    const inPool = taken.filter((t) => overlaps(t, pool)).sort((a, b) => (a.base < b.base ? -1 : 1));
    let base = pool.base;
    for (const t of inPool) {
      if (t.base >= base + step) break;
      if (t.last >= base) base = pool.base + ((t.last - pool.base) / step + 1n) * step;
    }
    if (base + step - 1n <= pool.last)
      return { family: pool.family, address: base, prefix, base, last: base + step - 1n };
  }
  return undefined;
}

/** The subnet's first address, which is its gateway's unless the user chose another. */
export function defaultGateway(cidr: Cidr): string {
  return formatAddress({ family: cidr.family, value: cidr.base + 1n });
}

/**
 * The subnet that a configuration gives; undefined when it leaves it open.
 * @throws INVALID_ARGUMENT for what is wrong whatever else there is
 */
export function checkSubnet(config: SubnetConfig): Cidr | undefined {
  const extra = [config.gateway, config.ipRange, ...Object.values(config.auxiliaryAddresses)].find((v) => v !== '');
  if (config.subnet === '') {
    if (extra === undefined) return undefined;
    throw invalidArgument(`"${extra}" is given without the subnet it is in`, { value: extra, hint: 'Add --subnet.' });
  }
  const subnet = parseCidr(config.subnet);
  if (subnet.address !== subnet.base) {
    throw invalidArgument(`"${config.subnet}" has bits set outside of its prefix`, {
      value: config.subnet,
      hint: `Did you mean ${formatCidr(subnet)}?`,
    });
  }
  const longest = subnet.family === 4 ? 29 : 125;
  if (subnet.prefix > longest) {
    throw invalidArgument(`subnet ${config.subnet} is too small`, {
      value: config.subnet,
      hint: `Its prefix is at most /${longest}.`,
    });
  }
  if (config.ipRange !== '') {
    const range = parseCidr(config.ipRange);
    if (range.family !== subnet.family || range.base < subnet.base || range.last > subnet.last) {
      throw invalidArgument(`IP range ${config.ipRange} is not in subnet ${config.subnet}`, { value: config.ipRange });
    }
  }
  if (config.gateway !== '') checkHostAddress('gateway', config.gateway, subnet, config.subnet);
  for (const address of Object.values(config.auxiliaryAddresses)) {
    checkHostAddress('auxiliary address', address, subnet, config.subnet);
    if (address === config.gateway) {
      throw invalidArgument(`auxiliary address ${address} is the gateway`, { value: address });
    }
  }
  return subnet;
}

/**
 * @param what the address is, in words: "gateway"
 * @throws INVALID_ARGUMENT for an address that no host in the subnet can have
 */
export function checkHostAddress(what: string, text: string, subnet: Cidr, subnetText: string): void {
  const address = parseAddress(text);
  if (!contains(subnet, address)) {
    throw invalidArgument(`${what} ${text} is outside of subnet ${subnetText}`, { value: text });
  }
  if (address.value === subnet.base || (subnet.family === 4 && address.value === subnet.last)) {
    throw invalidArgument(
      `${what} ${text} is the ${address.value === subnet.base ? 'first' : 'last'} address of subnet ${subnetText}, which no host can have`,
      { value: text },
    );
  }
}
