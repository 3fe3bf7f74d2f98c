import { writeFileSync } from 'node:fs';
import koffi from 'koffi';
import { failedPrecondition, messageOf } from '../../lib/errors.js';
import { Attributes, attribute, text } from './attributes.js';
import { isKernelError, NftablesError } from './errors.js';
import { withLowDescriptor } from './low-descriptors.js';
import type { NetNamespace } from './namespace.js';
import { NETLINK_NETFILTER, NetlinkSocket, type Subscription, subscribe } from './netlink.js';
import { NFGENMSG, NFNL_SUBSYS_NFTABLES, nfRequest } from './nfnetlink.js';
import { close, memoryFile } from './syscalls.js';

export { NftablesError } from './errors.js';

/** Values of linux/netfilter.h (NFPROTO_*). */
const families = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const;
export type NftFamily = keyof typeof families;

export interface NftTable {
  readonly family: NftFamily;
  readonly name: string;
}

/** Values of linux/netfilter/nf_tables.h. */
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_GETGEN = 16;
const NFTA_TABLE_NAME = 1;
const NFTA_GEN_ID = 1;
const NFNLGRP_NFTABLES = 7;

/** Values of nftables/libnftables.h. */
const NFT_CTX_DEFAULT = 0;
const NFT_CTX_OUTPUT_JSON = 1 << 4;

type Context = { readonly __brand: 'nft_ctx' };

interface Libnftables {
  create(flags: number): Context | null;
  free(context: Context): void;
  bufferOutput(context: Context): number;
  bufferErrors(context: Context): number;
  setOutputFlags(context: Context, flags: number): void;
  runFile(context: Context, path: string): number;
  output(context: Context): string | null;
  errors(context: Context): string | null;
}

let loaded: Libnftables | undefined;

/** @throws FAILED_PRECONDITION when the library is not there */
export function libnftables(): Libnftables {
  if (loaded) return loaded;
  try {
    const library = koffi.load('libnftables.so.1');
    loaded = {
      create: library.func('void *nft_ctx_new(uint32_t flags)'),
      free: library.func('void nft_ctx_free(void *ctx)'),
      bufferOutput: library.func('int nft_ctx_buffer_output(void *ctx)'),
      bufferErrors: library.func('int nft_ctx_buffer_error(void *ctx)'),
      setOutputFlags: library.func('void nft_ctx_output_set_flags(void *ctx, unsigned int flags)'),
      runFile: library.func('int nft_run_cmd_from_filename(void *ctx, const char *path)'),
      output: library.func('const char *nft_ctx_get_output_buffer(void *ctx)'),
      errors: library.func('const char *nft_ctx_get_error_buffer(void *ctx)'),
    };
    return loaded;
  } catch (error) {
    throw failedPrecondition(`libnftables.so.1 cannot be loaded: ${messageOf(error)}`, {
      value: 'libnftables.so.1',
      hint: 'Install the package libnftables1 (Debian, Ubuntu) or nftables (others).',
      cause: error,
    });
  }
}

/** The rule sets of one namespace. Close it: its socket is not garbage collected. */
export class Nftables {
  readonly namespace: NetNamespace;
  readonly #library = libnftables();
  readonly #socket: NetlinkSocket;
  #open = true;

  constructor(namespace: NetNamespace) {
    this.namespace = namespace;
    this.#socket = new NetlinkSocket({ namespace, protocol: NETLINK_NETFILTER });
  }

  /**
   * Runs nft commands as one transaction: all of them happen, or none.
   * @throws NftablesError with libnftables' words and the line they are about
   */
  run(commands: string): void {
    this.#run(commands, 0);
  }

  /**
   * What `nft -j list table` shows: chains, rules, sets, maps, each `{ chain: {…} }` and so on.
   * @returns undefined when there is no such table
   */
  list(family: NftFamily, table: string): unknown[] | undefined {
    if (!this.hasTable(family, table)) return undefined;
    try {
      return this.#runJson(`list table ${family} ${table}`);
    } catch (error) {
      if (!this.hasTable(family, table)) return undefined;
      throw error;
    }
  }

  /** All tables of the namespace, whoever made them. */
  listTables(): NftTable[] {
    const entries = this.#runJson('list tables') as { table?: NftTable }[];
    return entries.flatMap(({ table }) => (table ? [{ family: table.family, name: table.name }] : []));
  }

  hasTable(family: NftFamily, table: string): boolean {
    const query = nfRequest(
      NFNL_SUBSYS_NFTABLES,
      NFT_MSG_GETTABLE,
      0,
      families[family],
      attribute(NFTA_TABLE_NAME, text(table)),
    );
    try {
      this.#socket.get(query, `read table ${family} ${table}`);
      return true;
    } catch (error) {
      if (isKernelError(error, 'ENOENT')) return false;
      throw error;
    }
  }

  /** Grows with every transaction in the namespace, whoever makes it: cheap to compare. */
  generation(): number {
    const message = this.#socket.get(nfRequest(NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN, 0, 0), 'read nftables generation');
    return new Attributes(message.payload.subarray(NFGENMSG)).u32be(NFTA_GEN_ID) ?? 0;
  }

  #runJson(command: string): unknown[] {
    const { nftables } = JSON.parse(this.#run(command, NFT_CTX_OUTPUT_JSON)) as { nftables: object[] };
    return nftables.filter((entry) => !('metainfo' in entry));
  }

  #run(commands: string, outputFlags: number): string {
    // Only what comes from a file has line numbers in its errors.
    const file = memoryFile('tsswarm.nft');
    try {
      writeFileSync(file, commands);
      // Inside, because a context's socket is made where the thread is, and names of interfaces (iif, oif)
      // are looked up there.
      return this.namespace.run(() => withLowDescriptor(() => this.#runFile(file, commands, outputFlags)));
    } finally {
      close(file);
    }
  }

  /** A context lives for one run: it takes a tenth of a millisecond to make, and holds a low descriptor. */
  #runFile(file: number, commands: string, outputFlags: number): string {
    const library = this.#library;
    const context = library.create(NFT_CTX_DEFAULT);
    if (context === null) throw new NftablesError('cannot make an nftables context', '', 0);
    try {
      library.bufferOutput(context);
      library.bufferErrors(context);
      library.setOutputFlags(context, outputFlags);
      const status = library.runFile(context, `/proc/self/fd/${file}`);
      if (status !== 0) throw NftablesError.from(library.errors(context) ?? '', commands);
      return library.output(context) ?? '';
    } finally {
      library.free(context);
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.close();
  }
}

/** Calls back when a rule set of the namespace has changed, whoever changed it: our own changes too. */
export function subscribeNftables(namespace: NetNamespace, callback: () => void): Subscription {
  return subscribe({ namespace, protocol: NETLINK_NETFILTER, groups: [NFNLGRP_NFTABLES] }, () => callback());
}
