/**
 * Encrypted overlays between two nodes, each a namespace with a NetworkPlane process in it. What is on the wire is
 * seen by tcpdump, and what the kernel has by `ip xfrm`.
 */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { macOf } from '../../lib/ip.js';
import { directionKey, spisOf } from '../../lib/overlay-keys.js';
import { Secret } from '../../lib/secret.js';
import type { DesiredState, Encryption } from '../../netlb/state.js';
import { type Driver, eventually, Machines } from '../kernel/plane-fixture.js';
import { CLIENT, desiredState, idOf, nodeAddress, type Swarm } from '../kernel/plane-swarm.js';
import { forge, onTheWire, type Wire } from './wire-tap.js';

const swarm: Swarm = {
  nodes: [1, 2],
  ingress: false,
  networks: ['hidden', 'plain'],
  tasks: [
    { name: 't1', node: 1, host: 11, networks: ['hidden', 'plain'], ingress: false },
    { name: 't2', node: 2, host: 12, networks: ['hidden', 'plain'], ingress: false },
  ],
};
const VNI = { hidden: 4097, plain: 4098 } as const;
const [address1, address2] = [nodeAddress(1), nodeAddress(2)] as const;
const keyOf = (time: number): Buffer => Buffer.alloc(32, time);
const ring = (times: readonly number[], sending: number): Encryption => ({
  version: 1,
  keys: times.map((time) => ({ time, secret: new Secret(keyOf(time)) })),
  sending,
});
const state = (node: number, encryption: Encryption | undefined): DesiredState => {
  const plain = desiredState(swarm, node);
  const isHidden = ({ id }: { readonly id: string }) => id === idOf('hidden');
  return { ...plain, overlays: plain.overlays.map((o) => (isHidden(o) ? { ...o, encrypted: true } : o)), encryption };
};
const nothing = (node: number): DesiredState => ({ ...desiredState(swarm, node), overlays: [], sandboxes: [] });

let machines: Machines;
let drivers: [Driver, Driver];

beforeAll(async () => {
  machines = new Machines();
  machines.addHost('client', `${CLIENT}/24`);
  for (const node of [1, 2]) machines.addHost(`node${node}`, `${nodeAddress(node)}/24`);
  // An administrator's own, with the same nodes.
  machines.inside('node1', 'sh', '-ec', foreign);
  drivers = await Promise.all([machines.driver('node1'), machines.driver('node2')]);
}, 480_000);
afterAll(() => machines.close());

const foreignId = `src ${address1} dst ${CLIENT} proto esp spi 0x7777`;
const foreign = `
  ip xfrm state add ${foreignId} reqid 7 mode transport aead 'rfc4106(gcm(aes))' 0x${'09'.repeat(20)} 128
  ip xfrm policy add src ${address1}/32 dst ${CLIENT}/32 proto tcp dir out tmpl ${foreignId} reqid 7 mode transport`;

async function applyBoth(encryption: Encryption | undefined): Promise<void> {
  for (const [i, driver] of drivers.entries()) {
    const { problems } = await driver.apply(state(i + 1, encryption));
    expect(problems).toEqual([]);
  }
}

const sandbox = (task: 1 | 2): string => machines.sandbox(`node${task}`, idOf(`t${task}`));
const addressOf = (network: keyof typeof VNI, task: 1 | 2): string =>
  `10.0.${network === 'hidden' ? 1 : 2}.${10 + task}`;

/** @returns whether all were answered */
function ping(network: keyof typeof VNI, ...options: string[]): boolean {
  try {
    machines.inside(sandbox(1), 'ping', '-q', '-c', '2', '-i', '0.2', '-W', '2', ...options, addressOf(network, 2));
    return true;
  } catch {
    return false;
  }
}

const wire = (): Wire => ({ node: machines.path('node2'), address: address2, client: machines.path('client') });
const tap = (act: () => unknown): Promise<string[]> => onTheWire(wire(), async () => act());

const xfrm = (node: number, what: 'state' | 'policy'): string => machines.inside(`node${node}`, 'ip', 'xfrm', what);
/** SPIs of the associations of ours, from → to, and as `ip` shows them. */
const spis = (node: number): string[] =>
  [...xfrm(node, 'state').matchAll(/src (\S+) dst (\S+)\n\s+proto esp spi (0x\w+) reqid 1953723255 /g)]
    .map(([, source, destination, spi]) => `${source} → ${destination} ${spi}`)
    .sort();
const expected = (incoming: readonly number[], sending: number): string[] => {
  const item = (from: string, to: string, time: number) =>
    `${from} → ${to} 0x${spisOf(keyOf(time))(from).toString(16).padStart(8, '0')}`;
  return [...incoming.map((time) => item(address2, address1, time)), item(address1, address2, sending)].sort();
};

test('between nodes goes ESP, and no VXLAN of this network; another network stays as it is', async () => {
  await applyBoth(ring([1], 1));
  const hidden = await tap(() => expect(ping('hidden')).toBe(true));
  const spi = spisOf(keyOf(1))(address1).toString(16).padStart(8, '0');
  expect(hidden.filter((line) => line.includes(`${address1} > ${address2}: ESP(spi=0x${spi}`)).length).toBeGreaterThan(
    1,
  );
  expect(hidden.filter((line) => !line.includes('ESP'))).toEqual([]);
  const plain = await tap(() => expect(ping('plain')).toBe(true));
  expect(plain.some((line) => line.includes(`VXLAN, flags [I] (0x08), vni ${VNI.plain}`))).toBe(true);
  expect(plain.some((line) => line.includes('ESP'))).toBe(false);
});

test('each direction has the key that is derived for it, of 128 bits with a whole check value', () => {
  expect(spis(1)).toEqual(expected([1], 1));
  const shown = xfrm(1, 'state');
  for (const [from, to] of [
    [address1, address2],
    [address2, address1],
  ] as const)
    expect(shown).toContain(`aead rfc4106(gcm(aes)) 0x${directionKey(keyOf(1), from, to).toString('hex')} 128`);
});

test('a packet of the largest size passes whole', async () => {
  const [link] = machines.json<{ mtu: number }>(sandbox(1), 'ip', 'link', 'show', 'eth0');
  expect(link?.mtu).toBe(1416);
  const lines = await tap(() => expect(ping('hidden', '-M', 'do', '-s', '1388')).toBe(true));
  // Two are sent and answered.
  expect(lines.length).toBeGreaterThan(1);
  expect(lines.filter((line) => !line.includes('ESP') || !line.includes('length 1480'))).toEqual([]);
});

test('what comes in clear for this network is dropped, and what comes for another is not', async () => {
  const packets = (['hidden', 'plain'] as const).map((network) => {
    const destination = addressOf(network, 2);
    return { vni: VNI[network], source: addressOf(network, 1), destination, mac: macOf(destination) };
  });
  expect(await forge(wire(), { as: address1, task: sandbox(2), packets })).toEqual([`${VNI.plain}`]);
});

test('no packet is lost while keys change', async () => {
  const pings = machines.start(sandbox(1), 'ping', '-i', '0.02', addressOf('hidden', 2));
  const answered: number[] = [];
  if (pings.stdout)
    createInterface({ input: pings.stdout }).on('line', (line) => {
      const [, sequence] = /icmp_seq=(\d+) ttl/.exec(line) ?? [];
      if (sequence !== undefined) answered.push(Number(sequence));
    });
  for (const [times, sending] of rotation) {
    const before = answered.length;
    await applyBoth(ring(times, sending));
    expect(spis(1)).toEqual(expected(times, sending));
    await eventually(() => answered.length > before + 20);
  }
  pings.kill('SIGINT');
  await once(pings, 'close');
  // Those of two keys may pass each other on the way.
  expect(answered.toSorted((a, b) => a - b)).toEqual(answered.map((_, i) => i + 1));
});

const rotation = [
  [[1, 2], 1],
  [[1, 2], 2],
  [[1, 2, 3], 2],
  [[2, 3], 3],
  // Those that an operator has retired go.
  [[3], 3],
] as const;

test('a key that has few packets left is told and goes on; after the next one nothing is left to tell', async () => {
  await applyBoth(ring([2, 3], 3));
  const spi = spisOf(keyOf(3))(address1).toString(16).padStart(8, '0');
  const id = ['src', address1, 'dst', address2, 'proto', 'esp', 'spi', `0x${spi}`];
  const key = `0x${directionKey(keyOf(3), address1, address2).toString('hex')}`;
  const made = ['reqid', '1953723255', 'mode', 'transport', 'aead', 'rfc4106(gcm(aes))', key, '128'];
  machines.inside('node1', 'ip', 'xfrm', 'state', 'delete', ...id);
  machines.inside('node1', 'ip', 'xfrm', 'state', 'add', ...id, ...made, 'replay-oseq', '0xc0000001');
  const { problems, repairs } = await drivers[0].repair();
  expect(repairs).toEqual([]);
  const message = expect.stringContaining(`esp ${address1} → ${address2} (SPI 0x${spi}) has sent more than`);
  expect(problems).toEqual([{ subject: { kind: 'key', id: '3' }, message }]);
  expect(ping('hidden')).toBe(true);
  for (const [i, driver] of drivers.entries()) await driver.apply(state(i + 1, ring([2, 3, 4], 3)));
  await applyBoth(ring([2, 3, 4], 4));
  expect(ping('hidden')).toBe(true);
  await applyBoth(ring([2, 3], 3));
});

test('what somebody takes away by hand is put back, and meanwhile nothing leaves in clear', async () => {
  const selector = ['src', `${address1}/32`, 'dst', `${address2}/32`, 'proto', 'udp', 'dport', '4789'];
  machines.inside('node1', 'ip', 'xfrm', 'policy', 'delete', ...selector, 'dir', 'out', 'mark', '0x74737377');
  const lines = await tap(() => expect(ping('hidden')).toBe(false));
  expect(lines.filter((line) => line.includes(`${address1} >`))).toEqual([]);
  machines.inside('node1', 'ip', 'xfrm', 'state', 'deleteall', 'proto', 'esp', 'reqid', '1953723255');
  expect(spis(1)).toEqual([]);
  await drivers[0].watch();
  await eventually(() => ping('hidden'), 30_000);
  expect(spis(1)).toEqual(expected([2, 3], 3));
}, 480_000);

test('a node that has not heard of keys yet keeps what its kernel has, and says what it waits for', async () => {
  await drivers[0].kill();
  drivers[0] = await machines.driver('node1');
  const before = [xfrm(1, 'state'), xfrm(1, 'policy')].map(constants);
  const { operations, problems } = await drivers[0].apply(state(1, undefined));
  expect(operations).toBe(0);
  expect(problems.map(({ message }) => message)).toEqual([expect.stringContaining('waits for a manager')]);
  expect(ping('hidden')).toBe(true);
  const known = await drivers[0].apply(state(1, ring([2, 3], 3)));
  expect(known).toMatchObject({ operations: 0, problems: [] });
  expect([xfrm(1, 'state'), xfrm(1, 'policy')].map(constants)).toEqual(before);
});

/** Without what grows with each packet. */
const constants = (text: string): string => text.replaceAll(/anti-replay context.*/g, '');

test("with the last endpoint goes all of it, and others' things stay", async () => {
  for (const [i, driver] of drivers.entries()) expect((await driver.apply(nothing(i + 1))).problems).toEqual([]);
  expect(spis(1)).toEqual([]);
  expect(xfrm(2, 'state') + xfrm(2, 'policy')).toBe('');
  expect(machines.inside('node1', 'nft', 'list', 'ruleset')).not.toContain('ipsec');
  expect(xfrm(1, 'state')).toContain(foreignId.replace(' proto', '\n\tproto').replace('0x7777', '0x00007777'));
  expect(xfrm(1, 'policy')).toContain(`src ${address1}/32 dst ${CLIENT}/32 proto tcp`);
});
