import { type CompiledRequest, compile } from '../nft/compile/compile.js';
import type { SetTypes } from '../nft/compile/rule.js';
import type { TableReference } from '../nft/compile/sets.js';
import {
  families,
  NFNL_MSG_BATCH_BEGIN,
  NFNL_MSG_BATCH_END,
  NFT_MSG_GETGEN,
  NFT_MSG_GETSET,
  NFT_MSG_GETTABLE,
  NFTA_GEN_ID,
  NFTA_SET_DATA_TYPE,
  NFTA_SET_KEY_TYPE,
  NFTA_SET_NAME,
  NFTA_TABLE,
} from '../nft/nf-tables.js';
import { typesOf, VERDICT_TYPE } from '../nft/types.js';
import { Attributes, attribute, text } from './attributes.js';
import { isKernelError, NftablesError } from './errors.js';
import { type NetlinkRequest, request } from './messages.js';
import type { NetNamespace } from './namespace.js';
import { type BatchFailure, NETLINK_NETFILTER, NetlinkSocket } from './netlink.js';
import { NFGENMSG, NFNL_SUBSYS_NFTABLES, nfRequest } from './nfnetlink.js';
import { errorWords } from './syscalls.js';

export { NftablesError } from './errors.js';

export type NftFamily = keyof typeof families;

/** What holds a transaction together: struct nfgenmsg, whose resource is the subsystem. */
const bracket = (type: number): NetlinkRequest => request(type, 0, Buffer.of(0, 0, 0, NFNL_SUBSYS_NFTABLES));
const BEGIN = bracket(NFNL_MSG_BATCH_BEGIN);
const END = bracket(NFNL_MSG_BATCH_END);

/** The rule sets of one namespace. Close it: its socket is not garbage collected. */
export class Nftables {
  readonly namespace: NetNamespace;
  readonly #socket: NetlinkSocket;

  constructor(namespace: NetNamespace) {
    this.namespace = namespace;
    this.#socket = new NetlinkSocket({ namespace, protocol: NETLINK_NETFILTER });
  }

  /**
   * Runs commands as one transaction: all of them happen, or none.
   * @param commands one a line, in the words of nft(8) that rules of ours are made of (nft/compile/)
   * @throws NftablesError with the kernel's words and the line they are about, NftSyntaxError
   */
  run(commands: string): void {
    const compiled = compile(commands, (table, name) => this.#findSet(table, name));
    const requests = compiled.map((one) => one.request);
    // The first is the cause: others may have failed for want of what it was to make.
    const [failure] = this.#socket.transaction(BEGIN, requests, END);
    if (failure) throw refusal(failure, compiled, commands);
  }

  hasTable(family: NftFamily, table: string): boolean {
    const name = attribute(NFTA_TABLE, text(table));
    return this.#find(NFT_MSG_GETTABLE, family, `read table ${family} ${table}`, name) !== undefined;
  }

  /** Grows with every transaction in the namespace, whoever makes it: cheap to compare. */
  generation(): number {
    const message = this.#socket.get(nfRequest(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, 0, 0), 'read nftables generation');
    return new Attributes(message.payload.subarray(NFGENMSG)).u32be(NFTA_GEN_ID) ?? 0;
  }

  #findSet({ family, name: table }: TableReference, name: string): SetTypes | undefined {
    const [ofTable, ofSet] = [attribute(NFTA_TABLE, text(table)), attribute(NFTA_SET_NAME, text(name))];
    const set = this.#find(NFT_MSG_GETSET, family, `read set ${family} ${table} ${name}`, ofTable, ofSet);
    const key = typesOf(set?.u32be(NFTA_SET_KEY_TYPE) ?? 0);
    if (!set || !key) return undefined;
    const value = set.u32be(NFTA_SET_DATA_TYPE);
    return { key, value: value === undefined ? undefined : value === VERDICT_TYPE ? 'verdict' : typesOf(value) };
  }

  /** Undefined when it is not there. */
  #find(type: number, family: NftFamily, operation: string, ...attributes: readonly Buffer[]): Attributes | undefined {
    try {
      const query = nfRequest(NFNL_SUBSYS_NFTABLES, type, 0, families[family], ...attributes);
      return new Attributes(this.#socket.get(query, operation).payload.subarray(NFGENMSG));
    } catch (error) {
      if (isKernelError(error, 'ENOENT')) return undefined;
      throw error;
    }
  }

  close(): void {
    this.#socket.close();
  }
}

function refusal(
  { index, errno, detail }: BatchFailure,
  compiled: readonly CompiledRequest[],
  commands: string,
): NftablesError {
  const line = compiled[index]?.line;
  return new NftablesError({
    ...{ errno, detail, words: errorWords(errno) },
    line: line === undefined ? '' : commands.split('\n')[line]?.trim(),
    lineNumber: line === undefined ? 0 : line + 1,
  });
}
