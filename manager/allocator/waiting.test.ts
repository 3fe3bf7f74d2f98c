import { expect, test } from 'vitest';
import { EndpointMode, IPAMConfig, NetworkAttachmentConfig, type Task, TaskState } from '../../proto/gen/index.js';
import { newTask } from '../common/tasks.js';
import { runLoops } from '../testing/loops.js';
import { ingressNetwork, testCluster, testNetwork, testService, testTaskSpec } from '../testing/objects.js';
import { Allocator } from './allocator.js';

/** A /29 has 8 addresses: without the block's own, the last and the gateway's, five are for tasks. */
const SMALL_HAS = 5;

async function twoNetworks() {
  const loops = await runLoops(Allocator);
  const wide = testNetwork('wide', { ipam: [IPAMConfig.create({ subnet: '10.8.0.0/24' })] });
  const small = testNetwork('small', { ipam: [IPAMConfig.create({ subnet: '10.9.0.0/29' })] });
  await loops.store.update((draft) => {
    draft.create('cluster', testCluster());
    for (const network of [ingressNetwork(), wide, small]) draft.create('network', network);
  });
  await loops.settle();
  let made = 0;
  const serviceOn = async (name: string, ...targets: string[]) => {
    const networks = targets.map((target) => NetworkAttachmentConfig.create({ target }));
    const spec = testTaskSpec('x', { networks });
    const service = testService(name, 1, { task: spec, endpoint: { mode: EndpointMode.DNSRR, ports: [] } });
    await loops.store.update((draft) => draft.create('service', service));
    return async (count: number) => {
      const ids = Array.from({ length: count }, () => `${name}${String(++made).padStart(20, '0')}`);
      await loops.store.update((draft) => {
        for (const id of ids)
          draft.create('task', newTask(service, { id, slot: 1, nodeId: '', desiredState: TaskState.RUNNING, now: 0 }));
      });
      await loops.settle();
      return ids;
    };
  };
  const task = (id: string) => loops.store.view().get('task', id);
  const pending = (ids: readonly string[]) => ids.filter((id) => task(id)?.status.state === TaskState.PENDING).length;
  const stop = async (id: string) => {
    const stopped = (t: Task): Task => ({ ...t, status: { ...t.status, state: TaskState.SHUTDOWN } });
    await loops.store.update((draft) => {
      const stored = draft.get('task', id);
      if (stored) draft.update('task', stopped(stored));
    });
    await loops.settle();
  };
  return { ...loops, wide, small, serviceOn, task, pending, stop };
}

test('tasks that wait for one full network do not wake each other by what they give back of another', async () => {
  const { wide, small, serviceOn, task, pending, stop } = await twoNetworks();
  const both = await serviceOn('both', wide.id, small.id);
  const first = await both(SMALL_HAS);
  expect(pending(first)).toBe(SMALL_HAS);

  const waiting = await both(3);
  expect(pending(waiting)).toBe(0);
  expect(task(waiting[0] ?? '')?.status.error).toContain('no free address in network "small"');

  await stop(first[0] ?? '');
  expect(pending(waiting)).toBe(1);
});

test('an address that a woken task cannot use goes to the next one that waits for it', async () => {
  const { wide, small, serviceOn, pending, stop } = await twoNetworks();
  const onSmall = await serviceOn('small', small.id);
  const smallTasks = await onSmall(SMALL_HAS);
  const [needsBoth] = await (await serviceOn('both', wide.id, small.id))(1);
  const [needsSmall] = await onSmall(1);
  await stop(smallTasks[0] ?? '');
  await stop(smallTasks[1] ?? '');
  expect(pending([needsBoth ?? '', needsSmall ?? ''])).toBe(2);
});
