import { expect, test } from 'vitest';
import { type ServiceSpec, TaskState, TaskStateName } from '../../proto/gen/index.js';
import { testTaskSpec } from '../testing/objects.js';
import { placed } from '../testing/placed.js';

type Swarm = Awaited<ReturnType<typeof placed>>;

const on = (service: string, condition: string): Partial<ServiceSpec> => ({ dependsOn: [{ service, condition }] });
const job = { replicated: undefined, replicatedJob: { maxConcurrent: 1, totalCompletions: 2 } };

/** What the tasks of a service wait for, or in which state they are. */
const words = ({ wanted }: Swarm, id: string): readonly string[] => [
  ...new Set(
    wanted(id).map(({ status }) => (status.state === TaskState.PENDING ? status.message : TaskStateName[status.state])),
  ),
];

async function report(swarm: Swarm, id: string, state: TaskState): Promise<void> {
  for (const task of swarm.wanted(id)) await swarm.report(task, state);
}

test('healthy - waits until all tasks run, and tells how many do', async () => {
  const swarm = await placed('node1', 'node2');
  const db = await swarm.add('db', 2);
  const web = await swarm.add('web', 2, on('db', 'healthy'));
  expect(words(swarm, web)).toEqual(['waiting for service db to be healthy (0/2)']);
  const [first, second] = swarm.wanted(db);
  if (first) await swarm.report(first, TaskState.RUNNING);
  if (second) await swarm.report(second, TaskState.STARTING);
  expect(words(swarm, web)).toEqual(['waiting for service db to be healthy (1/2)']);
  if (second) await swarm.report(second, TaskState.RUNNING);
  expect(swarm.wanted(web).map(({ status }) => status.state)).toEqual([TaskState.ASSIGNED, TaskState.ASSIGNED]);
});

test('started - waits until the containers are, healthy or not', async () => {
  const swarm = await placed('node1');
  const db = await swarm.add('db', 1);
  const web = await swarm.add('web', 1, on('db', 'started'));
  await report(swarm, db, TaskState.READY);
  expect(words(swarm, web)).toEqual(['waiting for service db to be started (0/1)']);
  await report(swarm, db, TaskState.STARTING);
  expect(swarm.wanted(web)[0]?.status.state).toBe(TaskState.ASSIGNED);
});

test('completed - waits for all completions of a job', async () => {
  const swarm = await placed('node1');
  const migrate = await swarm.add('migrate', 0, job);
  const web = await swarm.add('web', 1, on('migrate', 'completed'));
  expect(words(swarm, web)).toEqual(['waiting for service migrate to complete (0/2)']);
  await report(swarm, migrate, TaskState.COMPLETE);
  expect(words(swarm, web)).toEqual(['waiting for service migrate to complete (1/2)']);
  await report(swarm, migrate, TaskState.COMPLETE);
  expect(swarm.wanted(web)[0]?.status.state).toBe(TaskState.ASSIGNED);
});

test('several - waits for each, a global one too', async () => {
  const swarm = await placed('node1', 'node2');
  const agent = await swarm.add('agent', 0, { replicated: undefined, global: {} });
  const db = await swarm.add('db', 1);
  const dependsOn = [
    { service: 'agent', condition: 'healthy' },
    { service: 'db', condition: 'started' },
  ];
  const web = await swarm.add('web', 1, { dependsOn });
  const both = 'waiting for service agent to be healthy (0/2) and service db to be started (0/1)';
  expect(words(swarm, web)).toEqual([both]);
  await swarm.obey(db);
  expect(words(swarm, web)).toEqual(['waiting for service agent to be healthy (0/2)']);
  await swarm.obey(agent);
  expect(swarm.wanted(web)[0]?.status.state).toBe(TaskState.ASSIGNED);
});

test('a service without tasks is not what is waited for', async () => {
  const swarm = await placed('node1');
  const db = await swarm.add('db', 0);
  const web = await swarm.add('web', 1, on('db', 'healthy'));
  expect(words(swarm, web)).toEqual(['waiting for service db to be healthy (0/0)']);
  await swarm.change(db, (spec) => ({ ...spec, replicated: { replicas: 1 } }));
  await swarm.obey(db);
  expect(swarm.wanted(web)[0]?.status.state).toBe(TaskState.ASSIGNED);
});

test('restarts and further replicas do not wait again, by the next leader neither', async () => {
  const swarm = await placed('node1');
  const db = await swarm.add('db', 1);
  const web = await swarm.add('web', 1, on('db', 'healthy'));
  await swarm.restart();
  expect(words(swarm, web)).toEqual(['waiting for service db to be healthy (0/1)']);
  await swarm.obey(db);
  await swarm.obey(web);
  await report(swarm, db, TaskState.FAILED);
  await swarm.restart();
  await report(swarm, web, TaskState.FAILED);
  await swarm.clock.advance(5_000);
  await swarm.settle();
  await swarm.change(web, (spec) => ({ ...spec, replicated: { replicas: 2 } }));
  await swarm.obey(web);
  expect(swarm.spread(web)).toEqual({ node1: 2 });
});

test('a dependency that is removed, or taken away, is not waited for', async () => {
  const swarm = await placed('node1');
  const db = await swarm.add('db', 1);
  const web = await swarm.add('web', 1, on('db', 'healthy'));
  const api = await swarm.add('api', 1, on('db', 'healthy'));
  await swarm.change(api, (spec) => ({ ...spec, dependsOn: [] }));
  expect(swarm.wanted(api)[0]?.status.state).toBe(TaskState.ASSIGNED);
  expect(words(swarm, web)).toEqual(['waiting for service db to be healthy (0/1)']);
  await swarm.store.update((draft) => draft.remove('service', db));
  await swarm.settle();
  expect(swarm.wanted(web)[0]?.status.state).toBe(TaskState.ASSIGNED);
});

test('what waits has no node, and is told why there is none when it waits no more', async () => {
  const swarm = await placed('node1');
  const db = await swarm.add('db', 1);
  const spec = testTaskSpec('web');
  const task = { ...spec, placement: { ...spec.placement, constraints: ['node.hostname==node9'] } };
  const web = await swarm.add('web', 1, { ...on('db', 'healthy'), task });
  expect(swarm.wanted(web)[0]).toMatchObject({ nodeId: '', status: { error: '' } });
  await swarm.obey(db);
  expect(swarm.wanted(web)[0]?.status.error).toMatch(/^no suitable node/);
});
