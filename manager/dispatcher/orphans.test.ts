import { expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { newId } from '../../lib/ids.js';
import { NodeState, NodeStatus, TaskState } from '../../proto/gen/index.js';
import { newTask } from '../common/tasks.js';
import { openTestStore } from '../store/testing.js';
import { testNode, testService } from '../testing/objects.js';
import { ORPHAN_TIMEOUT, Orphans } from './orphans.js';

async function downNode(credential: Uint8Array) {
  const clock = new ManualClock();
  const store = await openTestStore({ clock });
  const status = NodeStatus.create({ state: NodeState.DOWN, since: clock.now() });
  const node = testNode('node1', { status, credentialDigest: credential });
  const make = (desiredState: TaskState) => {
    const task = newTask(testService('web', 1), { id: newId(), slot: 1, nodeId: node.id, desiredState, now: 0 });
    return { ...task, status: { ...task.status, state: TaskState.RUNNING } };
  };
  const [wanted, unwanted] = [make(TaskState.RUNNING), make(TaskState.SHUTDOWN)];
  await store.update((draft) => {
    draft.create('node', node);
    for (const task of [wanted, unwanted]) draft.create('task', task);
  });
  const orphans = new Orphans(clock, () => {});
  orphans.start(() => store.view());
  const giveUp = async () => {
    for (const id of orphans.take()) await store.update((draft) => orphans.orphan(draft, id));
    return [wanted, unwanted].map(({ id }) => store.view().get('task', id)?.status.state);
  };
  return { clock, giveUp };
}

test('tasks of a node that is down are given up after a day', async () => {
  const { clock, giveUp } = await downNode(new Uint8Array([1]));
  await clock.advance(ORPHAN_TIMEOUT - 1);
  expect(await giveUp()).toEqual([TaskState.RUNNING, TaskState.RUNNING]);
  await clock.advance(1);
  expect(await giveUp()).toEqual([TaskState.ORPHANED, TaskState.ORPHANED]);
});

test('what is to stop on a node that has left is given up at once', async () => {
  const { giveUp } = await downNode(new Uint8Array());
  expect(await giveUp()).toEqual([TaskState.RUNNING, TaskState.ORPHANED]);
});
