import { expect, test } from 'vitest';
import { Network, NetworkAttachmentConfig, NetworkKeyRing, NetworkSpec, TaskSpec } from '../../proto/gen/index.js';
import { TestSwarm } from '../testing/swarm.js';

const secret = Network.create({
  id: 'secretnetwork000000000000',
  spec: NetworkSpec.create({ name: 'secret', driver: 'overlay', driverOptions: { encrypted: '' } }),
});
const inSecret = TaskSpec.create({ networks: [NetworkAttachmentConfig.create({ target: secret.id })] });

async function setRing(swarm: TestSwarm, clock: number): Promise<void> {
  const keys = [{ key: Buffer.alloc(32, clock), time: 1, createdAt: 0 }];
  await swarm.store.update((draft) =>
    draft.update('cluster', { ...draft.cluster(), networkKeys: NetworkKeyRing.create({ clock, keys, sending: 1 }) }),
  );
}

test('keys go to nodes in encrypted networks only; what these have applied is on record', async () => {
  const swarm = await TestSwarm.start(2);
  await setRing(swarm, 7);
  await swarm.store.update((draft) => draft.create('network', secret));
  const service = await swarm.create('hidden', 1, { task: inSecret });
  await swarm.until(() => swarm.running(service.id).length === 1);
  const [task] = swarm.running(service.id);
  const inside = swarm.agents.find(({ nodeId }) => nodeId === task?.nodeId);
  const outside = swarm.agents.find(({ nodeId }) => nodeId !== task?.nodeId);
  const applied = () => swarm.store.view().get('node', inside?.nodeId ?? '')?.networkKeyClock;
  await swarm.until(() => applied() === 7);
  expect(inside?.networkKeys?.keys[0]?.key).toEqual(Buffer.alloc(32, 7));
  expect(outside?.networkKeys).toBeUndefined();

  await setRing(swarm, 8);
  await swarm.until(() => applied() === 8);
  expect(inside?.networkKeys?.clock).toBe(8);
  expect(outside?.networkKeys).toBeUndefined();

  if (inside) inside.wornNetworkKey = 1;
  await inside?.acknowledge();
  await swarm.until(() => swarm.store.view().get('node', inside?.nodeId ?? '')?.wornNetworkKey === 1);

  await swarm.store.update((draft) => draft.remove('service', service.id));
  await swarm.until(() => swarm.tasks(service.id).length === 0);
  await swarm.until(() => inside?.networkKeys === undefined && applied() === 0);
});
