import { Attributes, attribute, text } from '../kernel/attributes.js';
import { isKernelError } from '../kernel/errors.js';
import { type NetlinkMessage, NLM_F_DUMP } from '../kernel/messages.js';
import type { NetNamespace } from '../kernel/namespace.js';
import { NETLINK_NETFILTER, NetlinkSocket } from '../kernel/netlink.js';
import { NFGENMSG, NFNL_SUBSYS_NFTABLES, nfRequest } from '../kernel/nfnetlink.js';
import { TABLE } from '../names.js';
import { decodeTable } from '../nft/decode.js';
import type { ActualTable, TableFamily } from '../nft/table.js';
import type { TablesChange } from '../plan/operation.js';

/** Values of linux/netfilter.h (NFPROTO_*). */
const families: Readonly<Record<TableFamily, number>> = { ip: 2, netdev: 5, bridge: 7, ip6: 10 };

/** Values of linux/netfilter/nf_tables.h; each object's table is attribute 1. */
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_GETCHAIN = 4;
const NFT_MSG_GETRULE = 7;
const NFT_MSG_GETSET = 10;
const NFT_MSG_GETSETELEM = 13;
const NFT_MSG_GETGEN = 16;
const NFTA_TABLE = 1;
const NFTA_SET_ELEM_LIST_SET = 2;
const NFTA_GEN_ID = 1;

/** Reads the tables of our name in one namespace. Close it. */
export class TableReader {
  readonly #socket: NetlinkSocket;
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
    const ofTable = [attribute(NFTA_TABLE, text(TABLE))];
    return decodeTable(
      family,
      TABLE,
      {
        chains: this.#dump(family, NFT_MSG_GETCHAIN),
        rules: this.#dump(family, NFT_MSG_GETRULE, ofTable),
        sets: this.#dump(family, NFT_MSG_GETSET, ofTable),
      },
      (set) => this.#dump(family, NFT_MSG_GETSETELEM, [...ofTable, attribute(NFTA_SET_ELEM_LIST_SET, text(set))]),
    );
  }

  #dump(family: TableFamily, type: number, attributes: readonly Buffer[] = []): NetlinkMessage[] {
    const request = nfRequest(NFNL_SUBSYS_NFTABLES, type, NLM_F_DUMP, families[family], ...attributes);
    return this.#socket.dump(request, `read table ${family} ${TABLE}`);
  }

  close(): void {
    this.#socket.close();
  }
}
