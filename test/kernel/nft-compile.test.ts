import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attribute, text } from '../../netlb/kernel/attributes.js';
import { type NetlinkMessage, NLM_F_DUMP } from '../../netlb/kernel/messages.js';
import type { NetNamespace } from '../../netlb/kernel/namespace.js';
import { NETLINK_NETFILTER, NetlinkSocket } from '../../netlb/kernel/netlink.js';
import { NFNL_SUBSYS_NFTABLES, nfRequest } from '../../netlb/kernel/nfnetlink.js';
import { Nftables } from '../../netlb/kernel/nftables.js';
import { newBridge } from '../../netlb/kernel/rtnetlink.js';
import { attributesOf, members } from '../../netlb/nft/decode.js';
import { diffTable, madeOf } from '../../netlb/nft/diff.js';
import {
  families,
  NFT_MSG_GETCHAIN,
  NFT_MSG_GETRULE,
  NFT_MSG_GETSET,
  NFT_MSG_GETSETELEM,
  NFT_MSG_GETTABLE,
  NFTA_SET_ELEM_LIST_ELEMENTS,
  NFTA_SET_ELEM_LIST_SET,
  NFTA_SET_NAME,
  NFTA_TABLE,
} from '../../netlb/nft/nf-tables.js';
import type { Table, TableFamily } from '../../netlb/nft/table.js';
import { inside, Scratch } from './kernel-scratch.js';
import { corpus } from './nft-corpus.js';

/** What the program nft makes of the same text is what we must make, byte by byte, as the kernel has it. */

const scratch = new Scratch();
const folder = mkdtempSync(join(tmpdir(), 'tsswarm-nft-'));
let theirs: NetNamespace;
let ours: NetNamespace;
beforeAll(() => {
  theirs = scratch.namespace('theirs');
  ours = scratch.namespace('ours');
  // For chains of the netdev family.
  for (const namespace of [theirs, ours]) scratch.routeSocket(namespace).apply(newBridge({ name: 'eth0' }));
});
afterAll(() => {
  scratch.close();
  rmSync(folder, { recursive: true });
});

/** Transactions, one after another. */
function runByProgram(transactions: readonly string[]): void {
  const files = transactions.flatMap((commands, i) => {
    const file = join(folder, `${i}.nft`);
    writeFileSync(file, commands);
    return ['-f', file];
  });
  const script = 'while [ $# -gt 0 ]; do nft -f "$2"; shift 2; done';
  execFileSync('nsenter', [`--net=${theirs.path}`, 'sh', '-ec', script, 'sh', ...files], { stdio: 'pipe' });
}

function run(transactions: readonly string[]): void {
  const nft = new Nftables(ours);
  try {
    for (const commands of transactions) nft.run(commands);
  } finally {
    nft.close();
  }
}

/** Older kernels number the tables of all namespaces by one counter. */
const NFTA_TABLE_HANDLE = 4;

function withoutHandle(table: NetlinkMessage): Buffer {
  attributesOf(table).bytes(NFTA_TABLE_HANDLE)?.fill(0);
  return table.payload;
}

/** All that the kernel has of a table. Elements are in an order that differs each time. */
function dump(namespace: NetNamespace, family: TableFamily, table: string): string[] {
  const socket = new NetlinkSocket({ namespace, protocol: NETLINK_NETFILTER });
  const ofTable = attribute(NFTA_TABLE, text(table));
  const ask = (type: number, ...attributes: readonly Buffer[]) =>
    socket.dump(nfRequest(NFNL_SUBSYS_NFTABLES, type, NLM_F_DUMP, families[family], ...attributes), 'dump');
  const hex = (bytes: Buffer) => bytes.toString('hex');
  try {
    const sets = ask(NFT_MSG_GETSET, ofTable);
    return [
      ...ask(NFT_MSG_GETTABLE).map((table) => `table ${hex(withoutHandle(table))}`),
      ...ask(NFT_MSG_GETCHAIN).map(({ payload }) => `chain ${hex(payload)}`),
      ...ask(NFT_MSG_GETRULE, ofTable).map(({ payload }) => `rule ${hex(payload)}`),
      ...sets.map(({ payload }) => `set ${hex(payload)}`),
      ...sets.flatMap((set) => {
        const name = attributesOf(set).text(NFTA_SET_NAME) ?? '';
        const messages = ask(NFT_MSG_GETSETELEM, ofTable, attribute(NFTA_SET_ELEM_LIST_SET, text(name)));
        const elements = messages.flatMap((message) => [
          ...members(attributesOf(message).bytes(NFTA_SET_ELEM_LIST_ELEMENTS)),
        ]);
        return elements.map((element) => `element of ${name} ${hex(element)}`).sort();
      }),
    ];
  } finally {
    socket.close();
  }
}

interface Listing {
  readonly nftables: readonly { readonly table?: object }[];
}

function listed(namespace: NetNamespace): unknown {
  const { nftables } = JSON.parse(inside(namespace, 'nft', '-j', 'list', 'ruleset')) as Listing;
  return nftables.map((item) => (item.table ? { table: { ...item.table, handle: 0 } } : item));
}

function expectAlike(family: TableFamily, table: string): void {
  const made = dump(ours, family, table);
  expect(made).not.toEqual([]);
  expect(made).toEqual(dump(theirs, family, table));
  expect(listed(ours)).toEqual(listed(theirs));
}

/** Does the same by both ways, and compares what comes of it. */
function compare(family: TableFamily, table: string, transactions: readonly string[]): void {
  const clean = [`add table ${family} ${table}\ndelete table ${family} ${table}`];
  try {
    runByProgram(transactions);
    run(transactions);
    expectAlike(family, table);
  } finally {
    runByProgram(clean);
    run(clean);
  }
}

const joined = (transactions: readonly (readonly string[])[]) => transactions.map((commands) => commands.join('\n'));

describe('every table that a node can have', () => {
  test.each(corpus().map(({ name, table }) => [name, table] as const))('%s', (_, table) => {
    compare(table.family, table.name, joined(diffTable(table, undefined)));
  });
});

test('a change - what goes is gone, what stays is as it was', () => {
  const table: Table = {
    family: 'ip',
    name: 't',
    sets: [
      {
        name: 'ports',
        key: 'inet_proto . inet_service',
        value: 'mark',
        keep: 'exact',
        elements: ['6 . 80 : 1', '17 . 53 : 2'],
      },
      {
        name: 'services',
        key: 'mark',
        value: 'verdict',
        keep: 'exact',
        elements: ['1 : goto first', '2 : goto second'],
      },
      { name: 'left', key: 'ipv4_addr', keep: 'exact', elements: ['10.0.0.1'] },
      { name: 'gone', key: 'ipv4_addr', value: 'mark', keep: 'exact', elements: ['10.0.0.1 : 5'] },
    ],
    chains: ['first', 'second', 'third'].map((name) => ({
      name,
      rules: ['ip saddr { 10.0.0.0/8, 192.0.2.1 } drop', 'accept'],
    })),
  };
  const [first, second] = table.chains;
  if (!first || !second) throw new TypeError('no chains');
  const later: Table = {
    ...table,
    sets: [
      {
        ...table.sets[0],
        name: 'ports',
        key: 'inet_proto . inet_service',
        value: 'mark',
        keep: 'exact',
        elements: ['6 . 80 : 3', '17 . 53 : 2'],
      },
      {
        name: 'services',
        key: 'mark',
        value: 'verdict',
        keep: 'exact',
        elements: ['1 : goto first', '3 : goto fourth'],
      },
      { name: 'left', key: 'ipv4_addr', keep: 'exact', elements: ['10.0.0.1', '10.0.0.2'] },
    ],
    chains: [
      { ...first, rules: ['ip saddr @left drop'] },
      { name: 'fourth', rules: second.rules },
    ],
  };
  compare('ip', 't', joined([...diffTable(table, undefined), ...diffTable(later, madeOf(table, undefined))]));
});

test('sets of more elements than one message holds', () => {
  const addresses = Array.from({ length: 6000 }, (_, i) => `10.${i >> 8}.${i & 255}.1`);
  const ports = addresses.map((address, i) => `6 . ${i} : ${address} . 80`);
  compare('ip', 't', [
    'add table ip t\nadd chain ip t c\nadd map ip t m { type inet_proto . inet_service : ipv4_addr . inet_service; }',
    `add rule ip t c ip saddr { ${addresses.join(', ')} } drop\nadd element ip t m { ${ports.join(', ')} }`,
  ]);
});
