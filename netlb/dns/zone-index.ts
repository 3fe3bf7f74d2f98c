import { familyOf, isAddress, parseAddress } from '../../lib/ip.js';
import type { ZoneName, ZonePort } from '../state.js';
import { nameKey } from './query.js';
import { answerRecord, type RecordSet, recordSet } from './records.js';

/** What of a zone is new, and which names are gone. `ports` are given whole. */
export interface ZoneChange {
  readonly id: string;
  readonly networkName: string;
  readonly put: readonly ZoneName[];
  readonly removed: readonly string[];
  readonly ports: readonly ZonePort[];
}

/** The addresses of a name. */
export interface NameEntry {
  /** As it was given. */
  readonly name: string;
  readonly addresses: readonly string[];
  readonly v4: RecordSet | undefined;
  readonly v6: RecordSet | undefined;
}

interface Pointer {
  readonly name: string;
  readonly set: RecordSet | undefined;
}

/** Names of one network, with records that are ready to be sent. */
export class ZoneIndex {
  readonly #names = new Map<string, NameEntry>();
  readonly #pointers = new Map<string, Pointer>();
  #services: ReadonlyMap<string, ZonePort> = new Map();
  #suffix = '';

  apply({ networkName, put, removed, ports }: ZoneChange): void {
    this.#suffix = `.${nameKey(networkName)}`;
    for (const name of removed) this.#remove(name);
    for (const name of put) this.#put(name, networkName);
    this.#services = new Map(ports.map((port) => [nameKey(`_${port.port}._${port.protocol}.${port.service}`), port]));
  }

  name(asked: string): NameEntry | undefined {
    return this.#names.get(asked) ?? this.#names.get(this.#withoutNetwork(asked));
  }

  /** @param asked `4.1.0.10.in-addr.arpa` */
  pointer(asked: string): RecordSet | undefined {
    return this.#pointers.get(asked)?.set;
  }

  /** @param asked `_http._tcp.web` */
  service(asked: string): ZonePort | undefined {
    return this.#services.get(asked) ?? this.#services.get(this.#withoutNetwork(asked));
  }

  #withoutNetwork(asked: string): string {
    return asked.endsWith(this.#suffix) ? asked.slice(0, -this.#suffix.length) : asked;
  }

  #put(name: ZoneName, networkName: string): void {
    this.#remove(name.name);
    const addresses = name.addresses.filter(isAddress);
    const v4 = addresses.filter((address) => familyOf(address) === 4).map((data) => answerRecord({ type: 'A', data }));
    const v6 = addresses
      .filter((address) => familyOf(address) === 6)
      .map((data) => answerRecord({ type: 'AAAA', data }));
    this.#names.set(nameKey(name.name), { name: name.name, addresses, v4: recordSet(v4), v6: recordSet(v6) });
    const whole = `${name.name}.${networkName}`;
    if (!name.canonical || !isEncodable(whole)) return;
    const set = recordSet([answerRecord({ type: 'PTR', data: whole })]);
    for (const address of addresses) this.#pointers.set(reverseName(address), { name: name.name, set });
  }

  #remove(name: string): void {
    const key = nameKey(name);
    const entry = this.#names.get(key);
    if (!entry) return;
    this.#names.delete(key);
    // An address that has another name by now keeps that.
    for (const address of entry.addresses)
      if (this.#pointers.get(reverseName(address))?.name === entry.name) this.#pointers.delete(reverseName(address));
  }
}

/**
 * Whether a record can name it: labels are of 1 to 63 bytes, the whole with its dots of 253 at most (RFC 1035, 2.3.4).
 * What cannot be written cannot be asked for either.
 */
function isEncodable(name: string): boolean {
  return (
    Buffer.byteLength(name) <= 253 && name.split('.').every((label) => label !== '' && Buffer.byteLength(label) <= 63)
  );
}

/** The name whose PTR record tells an address's name (RFC 1035, 3.5; RFC 3596, 2.5). */
function reverseName(address: string): string {
  const { family, value } = parseAddress(address);
  if (family === 4) return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
  const digits = value.toString(16).padStart(32, '0');
  return `${[...digits].reverse().join('.')}.ip6.arpa`;
}
