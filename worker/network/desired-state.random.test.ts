import { describe, expect, it } from 'vitest';
import { seeded } from '../../lib/seeded-random.js';
import {
  EndpointMode,
  type EndpointRecord,
  EndpointState,
  NetworkAttachment,
  PortConfig,
  ServiceRecord,
  TaskState,
  TaskStatus,
  VirtualIP,
} from '../../proto/gen/index.js';
import type { LocalTask } from '../agent/local-task.js';
import { byId, endpoint, ingressNetwork, local, network, state } from './testing.js';

function randomSwarm(random: (below: number) => number) {
  const networks = [ingressNetwork, ...[1, 2, 3].map((i) => network(`net${i}`, `${i}`, { internal: random(3) === 0 }))];
  const services = [1, 2, 3, 4].map((i) =>
    ServiceRecord.create({
      id: `service${i}`,
      mode: random(4) === 0 ? EndpointMode.DNSRR : EndpointMode.VIP,
      ports: random(2) === 0 ? [] : [PortConfig.create({ publishedPort: 8000 + random(3), targetPort: 80 })],
      virtualIps: [VirtualIP.create({ networkId: `net${1 + random(3)}`, address: `10.0.9.${i}/24` })],
    }),
  );
  const states = [TaskState.ASSIGNED, TaskState.PREPARING, TaskState.RUNNING, TaskState.SHUTDOWN, TaskState.FAILED];
  const tasks: LocalTask[] = [];
  const endpoints: EndpointRecord[] = [];
  for (let i = 0; i < 12; i++) {
    const here = random(2) === 0;
    const on = networks.filter(() => random(2) === 0);
    for (const { id } of on)
      endpoints.push(
        endpoint(id, `task${i}`, `10.0.${networks.findIndex((n) => n.id === id)}.${i + 10}`, {
          nodeId: here ? 'here' : 'there',
          serviceId: `service${1 + random(4)}`,
          state: random(3) as EndpointState,
        }),
      );
    const attachments = endpoints
      .filter((e) => e.taskId === `task${i}`)
      .map((e) => NetworkAttachment.create({ networkId: e.networkId, addresses: e.addresses, mac: e.mac }));
    const status = TaskStatus.create({ state: states[random(states.length)] ?? TaskState.RUNNING });
    if (here) tasks.push(local(`task${i}`, attachments, { status }));
  }
  return { networks, services, endpoints, tasks };
}

function shuffled<T>(items: readonly T[], random: (below: number) => number): T[] {
  return items
    .map((item) => ({ item, key: random(1 << 30) }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

describe('desiredState - any swarm', () => {
  it('is consistent, and the same whatever the order of what came in', () => {
    for (let seed = 0; seed < 300; seed++) check(seed);
  });

  function check(seed: number): void {
    const random = seeded(seed);
    const swarm = randomSwarm(random);
    const compute = (order: <T>(items: readonly T[]) => readonly T[]) =>
      state(
        {
          networks: byId(...order(swarm.networks)),
          services: byId(...order(swarm.services)),
          endpoints: byId(...order(swarm.endpoints)),
        },
        [...order(swarm.tasks)],
      );
    const desired = compute((items) => items);
    expect(
      compute((items) => shuffled(items, random)),
      `seed ${seed}`,
    ).toEqual(desired);

    const overlays = new Set(desired.overlays.map((overlay) => overlay.id));
    expect(overlays.size).toBe(desired.overlays.length);
    expect(overlays.has('ingress')).toBe(true);
    for (const sandbox of desired.sandboxes)
      for (const { networkId } of sandbox.endpoints) expect(overlays.has(networkId)).toBe(true);
    for (const overlay of desired.overlays) {
      const addresses = overlay.remotes.map((remote) => remote.address);
      expect(new Set(addresses).size).toBe(addresses.length);
      const elsewhere = swarm.endpoints.filter((e) => e.networkId === overlay.id && e.nodeId === 'there');
      expect(addresses).toHaveLength(elsewhere.length);
    }
    const published = desired.ingress?.services.map((port) => `${port.published}/${port.protocol}`) ?? [];
    expect(new Set(published).size).toBe(published.length);
    const ended = swarm.tasks.filter((t) => t.status.state >= TaskState.COMPLETE).map((t) => t.task.id);
    const silent = new Set(
      swarm.endpoints
        .filter((e) => e.state === EndpointState.PRESENT || ended.includes(e.taskId))
        .flatMap((e) => e.addresses.map((address) => address.replace('/24', ''))),
    );
    const backends = [
      ...(desired.ingress?.services ?? []).flatMap((port) => port.backends),
      ...desired.sandboxes.flatMap((s) => s.virtualServices.flatMap((v) => v.backends)),
    ];
    for (const backend of backends) expect(silent.has(backend.address), `seed ${seed}`).toBe(false);
  }
});
