/**
 * The plane of one node, in the network namespace that this program is started in: what it takes to make and to look
 * at many endpoints, and how long the event loop waits meanwhile. Prints one JSON object.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { formatAddress, macOf, parseAddress } from '../../lib/ip.js';
import { createLogger } from '../../lib/log.js';
import { NetworkPlane } from '../../netlb/plane.js';
import type { DesiredState, Overlay, Sandbox } from '../../netlb/state.js';
import { ENDPOINTS, type EntriesFigures, GONE, LOCAL, NETWORKS, type Pass } from './entries-figures.js';

const UNDERLAY = '192.0.2.1';
const idOf = (kind: string, n: number): string => `${kind}${String(n).padStart(4, '0')}`.padEnd(25, '0');
const addressAt = (base: string, offset: number): string => {
  const { family, value } = parseAddress(base);
  return formatAddress({ family, value: value + BigInt(offset) });
};

function overlay(n: number, remotes: number): Overlay {
  const base = `10.${n}.0.0`;
  return {
    id: idOf('net', n),
    vni: 4096 + n,
    gateways: [`${addressAt(base, 1)}/16`],
    mtu: 0,
    remotes: Array.from({ length: remotes }, (_, i) => {
      const address = addressAt(base, 4096 + i);
      return { address, mac: macOf(address), vtep: addressAt(UNDERLAY, 1 + (i % 9)) };
    }),
  };
}

function sandbox(n: number, network: number): Sandbox {
  const address = addressAt(`10.${network}.0.0`, 2 + n);
  const virtual = [1, 2].map((i) => ({
    address: addressAt(`10.${network}.255.0`, i),
    backends: [{ address, weight: 1 }],
  }));
  return {
    id: idOf('task', n),
    endpoints: [{ networkId: idOf('net', network), addresses: [address], mac: macOf(address) }],
    gateway: true,
    virtualServices: virtual,
    ingress: undefined,
    hostPorts: [],
    resolver: undefined,
  };
}

const state = (overlays: readonly Overlay[], sandboxes: readonly Sandbox[]): DesiredState => ({
  underlay: { address: UNDERLAY, vxlanPort: 4789 },
  gatewayBridge: { address: '172.18.0.1/16', address6: '' },
  overlays,
  bridges: [],
  routed: [],
  sandboxes,
  ingress: undefined,
  zones: [],
});

/** Watches the turns of the event loop: how long each took, and how much of that this process computed. */
async function measure(work: () => Promise<number>): Promise<Pass> {
  let [longestBlock, longestBusy] = [0, 0];
  let [at, cpu] = [performance.now(), process.cpuUsage()];
  let watching = true;
  const turn = () => {
    const now = performance.now();
    const { user, system } = process.cpuUsage(cpu);
    longestBlock = Math.max(longestBlock, now - at);
    longestBusy = Math.max(longestBusy, (user + system) / 1000);
    [at, cpu] = [now, process.cpuUsage()];
    if (watching) setImmediate(turn);
  };
  setImmediate(turn);
  const start = performance.now();
  const operations = await work();
  const milliseconds = performance.now() - start;
  turn();
  watching = false;
  return { milliseconds, longestBlock, longestBusy, operations };
}

async function run(plane: NetworkPlane): Promise<EntriesFigures> {
  const apply = (desired: DesiredState) => measure(async () => checked(await plane.apply(desired)));
  const look = () =>
    measure(async () => {
      const { repairs, problems } = await plane.repair();
      return checked({ problems, operations: repairs.length });
    });
  const joined = state([overlay(0, ENDPOINTS)], [sandbox(0, 0)]);
  await plane.apply(state([overlay(0, 0)], [sandbox(0, 0)]));
  const [join, again, lookAtOne] = [await apply(joined), await apply(joined), await look()];
  const networks = Array.from({ length: NETWORKS }, (_, n) => overlay(n, 20));
  const sandboxes = Array.from({ length: LOCAL }, (_, n) => sandbox(n, n % NETWORKS));
  const [manyNetworks, manyNetworksLook] = [await apply(state(networks, sandboxes)), await look()];
  const teardown = await apply(state(networks, sandboxes.slice(GONE)));
  return { join, again, look: lookAtOne, manyNetworks, manyNetworksLook, teardown };
}

function checked(report: { problems: readonly { message: string }[]; operations: number }): number {
  if (report.problems.length > 0) throw new Error(report.problems.map(({ message }) => message).join('\n'));
  return report.operations;
}

const directory = mkdtempSync(path.join(tmpdir(), 'tsswarm-bench-'));
for (const command of ['link add eth0 type bridge', `address add ${UNDERLAY}/24 dev eth0`, 'link set eth0 up'])
  execFileSync('ip', command.split(' '));
const plane = await NetworkPlane.open({ runRoot: directory, log: createLogger('error', 'plane') });
try {
  process.stdout.write(JSON.stringify(await run(plane)));
} finally {
  await plane.destroy();
  rmSync(directory, { recursive: true, force: true });
}
