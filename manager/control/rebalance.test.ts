import { expect, test } from 'vitest';
import { RebalanceServicesRequest, RebalanceState, UpdateState, UpdateStatus } from '../../proto/gen/index.js';
import { addNode, addTask, context, openControl } from './testing.js';

/** Two tasks of web on node1, none on node2. */
async function uneven() {
  const { store, control, create } = await openControl();
  const service = await create({ replicated: { replicas: 2 } });
  const [from, to] = [await addNode(store, 'node1'), await addNode(store, 'node2')];
  const fields = { serviceId: service.id, spec: service.spec.task, specVersion: service.specVersion, nodeId: from };
  const tasks = [await addTask(store, { ...fields, slot: 1 }), await addTask(store, { ...fields, slot: 2 })];
  const rebalance = (request: Partial<RebalanceServicesRequest>) =>
    control.rebalanceServices(RebalanceServicesRequest.create(request), context);
  const update = (state: UpdateState) =>
    store.update((draft) => {
      const current = draft.get('service', service.id);
      if (current) draft.update('service', { ...current, updateStatus: UpdateStatus.create({ state }) });
    });
  const state = () => store.view().get('service', service.id)?.rebalance?.state;
  return { store, create, service, from, to, tasks, rebalance, update, state };
}

test('dry run - tells the moves and begins nothing', async () => {
  const { rebalance, service, from, to, tasks, state } = await uneven();
  const { services } = await rebalance({ refs: ['web'], dryRun: true });
  expect(services).toEqual([{ serviceId: service.id, serviceName: 'web', moves: [expect.anything()], skipped: '' }]);
  expect(tasks.map(({ id }) => id)).toContain(services[0]?.moves[0]?.taskId);
  expect(services[0]?.moves[0]).toMatchObject({ from, to });
  expect(state()).toBeUndefined();
});

test('begins with what is uneven alone', async () => {
  const { rebalance, create, store, state } = await uneven();
  const even = await create({ name: 'even' });
  await create({ name: 'agent', replicated: undefined, global: {} });
  const { services } = await rebalance({});
  expect(services.map(({ serviceName, moves }) => [serviceName, moves.length]).sort()).toEqual([
    ['even', 0],
    ['web', 1],
  ]);
  expect(state()).toBe(RebalanceState.MOVING);
  expect(store.view().get('service', even.id)?.rebalance).toBeUndefined();
});

test('a service that is being updated is refused by name, and skipped among all', async () => {
  const { rebalance, update, state } = await uneven();
  await update(UpdateState.UPDATING);
  await expect(rebalance({ refs: ['web'] })).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  expect((await rebalance({})).services).toMatchObject([{ serviceName: 'web', skipped: 'it is being updated' }]);
  expect(state()).toBeUndefined();
  await update(UpdateState.COMPLETED);
  await rebalance({ refs: ['web'] });
  expect(state()).toBe(RebalanceState.MOVING);
});

test('nothing is begun when one of several services cannot be rebalanced', async () => {
  const { rebalance, create, state } = await uneven();
  await create({ name: 'agent', replicated: undefined, global: {} });
  await expect(rebalance({ refs: ['web', 'agent'] })).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: 'service agent cannot be rebalanced: its mode is global',
  });
  await expect(rebalance({ refs: ['web', 'nothing'] })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(state()).toBeUndefined();
});
