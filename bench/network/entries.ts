import path from 'node:path';
import { macOf } from '../../lib/ip.js';
import { keep, root, run, table } from '../run.js';
import { ENDPOINTS, type EntriesFigures, GONE, LOCAL, NETWORKS, type Pass } from './entries-figures.js';

const BY_HAND = 'bench-entries';
/** Each is three processes of some milliseconds. */
const HAND_MADE_ENDPOINTS = 200;
/** A neighbour, a forwarding entry of the VXLAN device, one of the bridge. */
const ENTRIES = 3;

/**
 * Endpoints of other nodes that join an overlay at once, against one `ip` or `bridge` process per entry; and what many
 * networks and sandboxes cost the event loop.
 */
export async function entries(): Promise<void> {
  const program = path.join(root, 'dist/bench/network/entries-process.js');
  // As bin/tsswarmd has it: a larger young generation is collected in longer turns.
  const node = [process.execPath, '--max-semi-space-size=4'];
  const figures = JSON.parse(run('unshare', ['--net', '--mount', ...node, program])) as EntriesFigures;
  const perSecond = (ENTRIES * ENDPOINTS * 1000) / figures.join.milliseconds;
  const byHand = entriesByHand();
  const row = (what: string, { milliseconds, longestBlock, longestBusy, operations }: Pass) => [
    what,
    `${milliseconds.toFixed(0)} ms`,
    `${longestBlock.toFixed(1)} ms`,
    `${longestBusy.toFixed(1)} ms`,
    String(operations),
  ];
  console.log(
    table([
      ['', 'time', 'longest block of the event loop', 'computing', 'operations'],
      row(`${ENDPOINTS} endpoints join`, figures.join),
      row('the same state again', figures.again),
      row('a look at all of it', figures.look),
      row(`${NETWORKS} networks, ${LOCAL} sandboxes made`, figures.manyNetworks),
      row('a look at all of it', figures.manyNetworksLook),
      row(`${GONE} sandboxes taken down`, figures.teardown),
    ]),
  );
  console.log(
    `\nkernel entries a second: ${perSecond.toFixed(0)}, by a process each ${byHand.toFixed(0)}: ` +
      `${(perSecond / byHand).toFixed(1)} times`,
  );
  keep('network-entries', { ...figures, entriesPerSecond: perSecond, byHandPerSecond: byHand });
}

/** Entries a second by the classic tools. */
function entriesByHand(): number {
  const inside = (...command: string[]) => run('ip', ['netns', 'exec', BY_HAND, ...command]);
  run('ip', ['netns', 'add', BY_HAND]);
  try {
    inside('ip', 'link', 'add', 'br0', 'type', 'bridge');
    inside(...'ip link add vxlan0 type vxlan id 77 dstport 4789 local 192.0.2.1 nolearning proxy'.split(' '));
    inside('ip', 'link', 'set', 'vxlan0', 'master', 'br0', 'up');
    const start = performance.now();
    for (let i = 0; i < HAND_MADE_ENDPOINTS; i++) {
      const address = `10.0.${i >> 8}.${i & 255}`;
      const mac = macOf(address);
      const fdb = ['-n', BY_HAND, 'fdb', 'add', mac, 'dev', 'vxlan0'];
      run('bridge', [...fdb, 'dst', '192.0.2.2', 'self', 'permanent']);
      run('bridge', [...fdb, 'master', 'static']);
      run('ip', ['-n', BY_HAND, 'neigh', 'add', address, 'lladdr', mac, 'dev', 'vxlan0', 'nud', 'permanent']);
    }
    return (ENTRIES * HAND_MADE_ENDPOINTS * 1000) / (performance.now() - start);
  } finally {
    run('ip', ['netns', 'delete', BY_HAND]);
  }
}
