/** A rule in the making. Pure. */
import type { NetlinkRequest } from '../../kernel/messages.js';
import { metaKeys, NFT_SET_ANONYMOUS, NFT_SET_CONSTANT, NFT_SET_INTERVAL } from '../nf-tables.js';
import type { DataType } from '../types.js';
import { compare, type Expression, loadMeta, loadPayload, registerAt, type SetReference } from './expressions.js';
import { ethertype } from './field-types.js';
import type { Field, Need } from './fields.js';
import {
  elementRequests,
  encodeElement,
  type Kind,
  newSet,
  type SetDefinition,
  type SetElement,
  type TableReference,
} from './sets.js';
import { NftSyntaxError } from './syntax.js';

/** Of what types a set's keys are, and a map's values. */
export interface SetTypes {
  readonly key: readonly DataType[];
  readonly value: readonly DataType[] | 'verdict' | undefined;
}

/** What a command must know of the transaction that it is of. */
export interface Surroundings {
  /** A number for a set that no other set of the transaction has. */
  nextId(): number;
  /** Remembers a set that the transaction makes. */
  declare(table: TableReference, name: string, types: SetTypes): void;
  /** @throws NftSyntaxError when there is no such set */
  setOf(table: TableReference, name: string): SetTypes;
}

/** The register that most values are in. */
export const FIRST = registerAt(0);

/** ARPHRD_ETHER. */
const ETHERNET = 1;

/**
 * Expressions, and what they have made sure of: what a header's field needs is tested before the field is looked at,
 * once. Sets of the rule's own are made before it.
 */
export class Rule {
  readonly table: TableReference;
  readonly surroundings: Surroundings;
  readonly expressions: Expression[] = [];
  readonly sets: NetlinkRequest[] = [];
  #link: 'ether' | undefined;
  #network: 4 | 6 | undefined;
  #transport: number | undefined;

  constructor(table: TableReference, surroundings: Surroundings) {
    this.table = table;
    this.surroundings = surroundings;
    if (table.family === 'ip') this.#network = 4;
    if (table.family === 'ip6') this.#network = 6;
  }

  push(...expressions: readonly Expression[]): void {
    this.expressions.push(...expressions);
  }

  /** Tests what has not been tested. @throws NftSyntaxError for what cannot be, as a packet of IPv6 in a table of IPv4 */
  require({ link, network, transport }: Need): void {
    if (link !== undefined) this.#requireEthernet();
    if (network !== undefined) this.#requireNetwork(network);
    if (transport !== undefined) this.#requireTransport(transport);
  }

  /** What the rule has tested by its own words. */
  learn({ network, transport }: Need): void {
    this.#network ??= network;
    this.#transport ??= transport;
  }

  get knowsTransport(): boolean {
    return this.#transport !== undefined;
  }

  #requireEthernet(): void {
    const { family } = this.table;
    if (family === 'ip' || family === 'ip6') throw new NftSyntaxError(`a table of family ${family} has no frames`);
    if (family === 'netdev' && this.#link === undefined)
      this.push(loadMeta(metaKeys.iiftype, FIRST), compare(FIRST, 'equal', Buffer.of(ETHERNET, 0)));
    this.#link = 'ether';
  }

  #requireNetwork(network: 4 | 6): void {
    if (this.#network === network) return;
    if (this.#network !== undefined) throw new NftSyntaxError(`it is about packets of IPv${this.#network} already`);
    const load =
      this.#link === 'ether'
        ? loadPayload({ header: 'll', offset: 12, length: 2 }, FIRST)
        : loadMeta(metaKeys.protocol, FIRST);
    this.push(load, compare(FIRST, 'equal', ethertype.bytes(network === 4 ? 'ip' : 'ip6')));
    this.#network = network;
  }

  #requireTransport(transport: number): void {
    if (this.#transport === transport) return;
    if (this.#transport !== undefined) throw new NftSyntaxError(`it is about protocol ${this.#transport} already`);
    this.push(loadMeta(metaKeys.l4proto, FIRST), compare(FIRST, 'equal', Buffer.of(transport)));
    this.#transport = transport;
  }

  /** A set that has no name and goes with the rule. */
  ownSet(
    field: Pick<Field, 'type' | 'description'>,
    elements: readonly SetElement[],
    isInterval: boolean,
  ): SetReference {
    const { type, description } = field;
    const flags = isInterval ? NFT_SET_INTERVAL : 0;
    return this.#own(
      { name: '__set%d', flags, key: [type], value: undefined, description, merges: isInterval },
      elements,
    );
  }

  ownMap(key: Kind, value: readonly Kind[], elements: readonly SetElement[]): SetReference {
    return this.#own({ name: '__map%d', flags: 0, key: [key], value }, elements);
  }

  #own(set: Omit<SetDefinition, 'id'>, elements: readonly SetElement[]): SetReference {
    const reference = { name: set.name, id: this.surroundings.nextId() };
    const flags = set.flags | NFT_SET_ANONYMOUS | NFT_SET_CONSTANT;
    this.sets.push(
      newSet(this.table, { ...set, ...reference, flags, size: elements.length }),
      ...elementRequests(this.table, reference, elements.map(encodeElement), 'add'),
    );
    return reference;
  }
}
