import { Attributes, attribute, nested, text } from '../kernel/attributes.js';
import { isKernelError } from '../kernel/errors.js';
import { type NetlinkMessage, NLM_F_DUMP } from '../kernel/messages.js';
import type { NetNamespace } from '../kernel/namespace.js';
import { NETLINK_NETFILTER, NetlinkSocket } from '../kernel/netlink.js';
import { NFGENMSG, NFNL_SUBSYS_NFTABLES, nfRequest } from '../kernel/nfnetlink.js';
import { TABLE } from '../names.js';
import { encodeElement } from '../nft/compile/sets.js';
import { decodeCounters } from '../nft/counters.js';
import { decodeTable } from '../nft/decode.js';
import {
  type Firewall,
  type ForwardDrop,
  forwardDrops,
  interfaceSets,
  interfacesIn,
  interfacesOf,
} from '../nft/firewall.js';
import {
  families,
  NFPROTO_UNSPEC,
  NFT_MSG_GETCHAIN,
  NFT_MSG_GETGEN,
  NFT_MSG_GETRULE,
  NFT_MSG_GETSET,
  NFT_MSG_GETSETELEM,
  NFT_MSG_GETTABLE,
  NFTA_GEN_ID,
  NFTA_SET_ELEM_LIST_ELEMENTS,
  NFTA_SET_ELEM_LIST_SET,
  NFTA_TABLE,
} from '../nft/nf-tables.js';
import { asksForConnections, localTables } from '../nft/stateful.js';
import type { ActualTable, Count, TableFamily } from '../nft/table.js';
import { bytesOf, typesNamed } from '../nft/types.js';
import type { TablesChange } from '../plan/operation.js';

/** What tables of others do that matters to ours. */
export interface ForeignRules {
  /** Chains that drop what is forwarded. */
  readonly firewalls: readonly Firewall[];
  /** Rules about what the namespace itself sends and receives ask for the connections that packets are of. */
  readonly stateful: boolean;
}

/** Reads the tables of our name in one namespace. Close it. */
export class TableReader {
  readonly #socket: NetlinkSocket;
  #foreign: { readonly generation: number; readonly rules: ForeignRules } | undefined;
  #known: { readonly generation: number; readonly tables: ReadonlyMap<string, ActualTable> } | undefined;

  constructor(namespace: NetNamespace) {
    this.#socket = new NetlinkSocket({ namespace, protocol: NETLINK_NETFILTER });
  }

  /**
   * By `family name`. The namespace's generation, which grows with every change of a rule set in it by
   * anybody, costs microseconds to read: the tables are read again only when it has moved. It is taken
   * first, so that what changes while they are read is seen next time.
   */
  read(wanted: readonly TableFamily[]): ReadonlyMap<string, ActualTable> {
    const generation = this.#generation();
    if (this.#known?.generation === generation) return this.#known.tables;
    const tables = new Map<string, ActualTable>();
    for (const family of wanted) if (this.#has(family)) tables.set(`${family} ${TABLE}`, this.#table(family));
    this.#known = { generation, tables };
    return tables;
  }

  /** Whether somebody has changed a rule set of the namespace since its tables were read, or nobody has read them. */
  get moved(): boolean {
    return this.#known?.generation !== this.#generation();
  }

  /** Those that the node's own namespace may have. */
  node(): ReadonlyMap<string, ActualTable> {
    return this.read(['ip', 'ip6', 'bridge']);
  }

  /** Those that an overlay's namespace may have. */
  overlay(): ReadonlyMap<string, ActualTable> {
    return this.read(['bridge']);
  }

  /** Those that a sandbox may have. */
  sandbox(): ReadonlyMap<string, ActualTable> {
    return this.read(['ip', 'ip6', 'netdev']);
  }

  /**
   * What a counted set of the table has counted, by element; nothing when there is no such set.
   * @param key type of its keys
   */
  counters(family: TableFamily, set: string, key: string): ReadonlyMap<string, Count> {
    const named = [attribute(NFTA_TABLE, text(TABLE)), attribute(NFTA_SET_ELEM_LIST_SET, text(set))];
    try {
      return decodeCounters(key, this.#dump(families[family], NFT_MSG_GETSETELEM, named));
    } catch (error) {
      if (isKernelError(error, 'ENOENT')) return new Map();
      throw error;
    }
  }

  /** What one element has counted; undefined when there is no such element, or it counts nothing. */
  counter(family: TableFamily, set: string, key: string, element: string): Count | undefined {
    const query = nfRequest(
      NFNL_SUBSYS_NFTABLES,
      NFT_MSG_GETSETELEM,
      0,
      families[family],
      attribute(NFTA_TABLE, text(TABLE)),
      attribute(NFTA_SET_ELEM_LIST_SET, text(set)),
      nested(NFTA_SET_ELEM_LIST_ELEMENTS, encodeElement({ key: bytesOf(typesNamed(key), element) })),
    );
    try {
      return decodeCounters(key, [this.#socket.get(query, `read a counter of set ${set}`)]).get(element);
    } catch (error) {
      if (isKernelError(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  /** What others' tables do; read again only when the generation has moved, too. */
  foreign(): ForeignRules {
    const generation = this.#generation();
    if (this.#foreign?.generation === generation) return this.#foreign.rules;
    const chains = this.#dump(NFPROTO_UNSPEC, NFT_MSG_GETCHAIN);
    const firewalls = forwardDrops(chains)
      .filter(({ table }) => table !== TABLE)
      .map((drop): Firewall => ({ ...drop, interfaces: this.#interfacesOf(drop) }));
    const stateful = localTables(chains)
      .filter(({ table }) => table !== TABLE)
      .some((local) => asksForConnections(local, this.#rulesOf(local)));
    const rules = { firewalls, stateful };
    this.#foreign = { generation, rules };
    return rules;
  }

  #rulesOf({ family, table }: { readonly family: keyof typeof families; readonly table: string }): NetlinkMessage[] {
    return this.#dump(families[family], NFT_MSG_GETRULE, [attribute(NFTA_TABLE, text(table))]);
  }

  #interfacesOf(drop: ForwardDrop): string[] {
    const { family, table } = drop;
    const number = families[family];
    const ofTable = [attribute(NFTA_TABLE, text(table))];
    const sets = interfaceSets(this.#dump(number, NFT_MSG_GETSET, ofTable));
    const elements = sets.flatMap((set) =>
      this.#dump(number, NFT_MSG_GETSETELEM, [...ofTable, attribute(NFTA_SET_ELEM_LIST_SET, text(set))]),
    );
    return [...interfacesOf(this.#rulesOf(drop)), ...interfacesIn(elements)];
  }

  /** Of a namespace that was just made: there are none, until somebody makes some. */
  startEmpty(): void {
    this.#known = { generation: this.#generation(), tables: new Map() };
  }

  /**
   * Runs one transaction of ours. What it leaves is known without being read: when the generation has
   * grown by this one alone, nobody else changed anything.
   */
  change(run: () => void, leaves: TablesChange): void {
    const before = this.#known;
    this.#known = undefined;
    run();
    if (!before) return;
    const tables = new Map(before.tables);
    for (const [key, table] of leaves) {
      if (table) tables.set(key, table);
      else tables.delete(key);
    }
    this.#known = { generation: before.generation + 1, tables };
  }

  #generation(): number {
    const message = this.#socket.get(nfRequest(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, 0, 0), 'read nftables generation');
    return new Attributes(message.payload.subarray(NFGENMSG)).u32be(NFTA_GEN_ID) ?? 0;
  }

  #has(family: TableFamily): boolean {
    const query = nfRequest(
      NFNL_SUBSYS_NFTABLES,
      NFT_MSG_GETTABLE,
      0,
      families[family],
      attribute(NFTA_TABLE, text(TABLE)),
    );
    try {
      this.#socket.get(query, `read table ${family} ${TABLE}`);
      return true;
    } catch (error) {
      // EAFNOSUPPORT, EOPNOTSUPP: a kernel without the family has no table in it either.
      if (isKernelError(error, 'ENOENT', 'EAFNOSUPPORT', 'EOPNOTSUPP')) return false;
      throw error;
    }
  }

  #table(family: TableFamily): ActualTable {
    const number = families[family];
    const ofTable = [attribute(NFTA_TABLE, text(TABLE))];
    return decodeTable(
      family,
      TABLE,
      {
        chains: this.#dump(number, NFT_MSG_GETCHAIN),
        rules: this.#dump(number, NFT_MSG_GETRULE, ofTable),
        sets: this.#dump(number, NFT_MSG_GETSET, ofTable),
      },
      (set) => this.#dump(number, NFT_MSG_GETSETELEM, [...ofTable, attribute(NFTA_SET_ELEM_LIST_SET, text(set))]),
    );
  }

  #dump(family: number, type: number, attributes: readonly Buffer[] = []): NetlinkMessage[] {
    const request = nfRequest(NFNL_SUBSYS_NFTABLES, type, NLM_F_DUMP, family, ...attributes);
    return this.#socket.dump(request, 'read nftables');
  }

  close(): void {
    this.#socket.close();
  }
}
