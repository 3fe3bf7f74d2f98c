import { describe, expect, test } from 'vitest';
import { NodeState, RestartCondition, RestartPolicy, TaskSpec, TaskState } from '../../proto/gen/index.js';
import { MOST_RUNS } from './due.js';
import { jobSwarm, MINUTE } from './testing.js';

const time = (text: string): number => Date.parse(`1970-01-01T${text}Z`);

describe('a job with a schedule', () => {
  test('does not run when it is made, but each time that comes', async () => {
    const { addJob, status, until, tasks, ofRun, end } = await jobSwarm('node1');
    const id = await addJob('*/5 * * * *');
    expect(status(id)).toMatchObject({ iteration: 0, lastExecution: 0, runs: [], nextExecution: time('00:20:00') });
    await until('00:19:59.999');
    expect(tasks(id)).toEqual([]);
    await until('00:20:00');
    expect(status(id)).toMatchObject({
      iteration: 1,
      lastExecution: time('00:20:00'),
      nextExecution: time('00:25:00'),
      runs: [{ iteration: 1, dueAt: time('00:20:00'), startedAt: time('00:20:00'), totalCompletions: 1 }],
    });
    expect(ofRun(id, 1)).toMatchObject([{ slot: 1, desiredState: TaskState.COMPLETE }]);
    await until('00:21:00');
    await end(id, 1);
    expect(status(id)).toMatchObject({
      runs: [],
      lastOutcome: { iteration: 1, startedAt: time('00:20:00'), endedAt: time('00:21:00'), completed: 1, total: 1 },
    });
    await until('00:25:00');
    expect(ofRun(id, 2)).toHaveLength(1);
    expect(status(id).lastSkipped).toBeUndefined();
  });

  test('runs as many tasks at a time as allowed, and tries again what fails', async () => {
    const { addJob, status, until, pass, ofRun, end } = await jobSwarm('node1');
    const id = await addJob('@hourly', {}, { replicatedJob: { maxConcurrent: 2, totalCompletions: 3 } });
    await until('01:00:00');
    expect(ofRun(id, 1).map((task) => task.slot)).toEqual([1, 2]);
    await end(id, 1, TaskState.FAILED);
    await pass(5_000);
    await end(id, 1);
    await end(id, 1);
    expect(status(id)).toMatchObject({ runs: [], lastOutcome: { completed: 3, total: 3, message: '' } });
  });

  test('that fails for good has ended, and runs again with new attempts', async () => {
    const { addJob, status, until, pass, ofRun, end, store } = await jobSwarm('node1');
    const id = await addJob('@hourly');
    await store.update((draft) => {
      const service = draft.get('service', id);
      if (!service) return;
      const { task } = service.spec;
      const restart = { ...task.restart, maxAttempts: 1, delay: 1e9 };
      draft.update('service', { ...service, spec: { ...service.spec, task: { ...task, restart } } });
    });
    for (const [hour, iteration] of [
      ['01:00:00', 1],
      ['02:00:00', 2],
    ] as const) {
      await until(hour);
      await pass(1); // successors are younger
      await end(id, iteration, TaskState.FAILED);
      expect(status(id).runs).toHaveLength(1);
      await pass(1_000);
      expect(ofRun(id, iteration)).toHaveLength(2);
      await end(id, iteration, TaskState.FAILED);
      expect(status(id)).toMatchObject({ runs: [], lastOutcome: { iteration, completed: 0, total: 1 } });
      expect(status(id).lastOutcome?.message).toBe('the others failed and are not tried again');
    }
  });

  test('of a global kind runs on the nodes that there are, and when it has ended on no other', async () => {
    const { addJob, status, until, ofRun, end, setNode, nodes } = await jobSwarm('node1', 'node2');
    const id = await addJob('@hourly', {}, { replicatedJob: undefined, globalJob: {} });
    await setNode(1, { state: NodeState.DOWN });
    await until('01:00:00');
    await end(id, 1);
    expect(status(id)).toMatchObject({ runs: [], lastOutcome: { completed: 1, total: 1 } });
    await setNode(1, { state: NodeState.READY });
    expect(ofRun(id, 1)).toHaveLength(1);
    await until('02:00:00');
    expect(
      ofRun(id, 2)
        .map((task) => task.nodeId)
        .sort(),
    ).toEqual(nodes.map((node) => node.id).sort());
  });

  test('of a global kind takes in nodes that come while it goes on, also those of an earlier run', async () => {
    const { addJob, until, ofRun, end, setNode } = await jobSwarm('node1', 'node2');
    const id = await addJob('@hourly', {}, { replicatedJob: undefined, globalJob: {} });
    await until('01:00:00');
    await end(id, 1);
    await setNode(1, { state: NodeState.DOWN });
    await until('02:00:00');
    expect(ofRun(id, 2)).toHaveLength(1);
    await setNode(1, { state: NodeState.READY });
    expect(ofRun(id, 2)).toHaveLength(2);
  });

  test('keeps no more old tasks than the history of a swarm is long', async () => {
    const { addJob, tasks, end, pass, store } = await jobSwarm('node1');
    await store.update((draft) => {
      const cluster = draft.cluster();
      draft.update('cluster', { ...cluster, spec: { ...cluster.spec, taskHistoryLimit: 3 } });
    });
    const id = await addJob('* * * * *');
    for (let run = 1; run <= 6; run++) {
      await pass(MINUTE);
      await end(id, run);
    }
    await pass(1_000);
    expect(
      tasks(id)
        .map((task) => task.jobIteration?.iteration)
        .sort(),
    ).toEqual([4, 5, 6]);
  });
});

test('what failed for good is not run anew when a swarm keeps no history', async () => {
  const { addJob, ofRun, end, pass, store, status } = await jobSwarm('node1');
  await store.update((draft) => {
    const cluster = draft.cluster();
    draft.update('cluster', { ...cluster, spec: { ...cluster.spec, taskHistoryLimit: 0 } });
  });
  const task = TaskSpec.create({ restart: RestartPolicy.create({ condition: RestartCondition.NONE }) });
  const id = await addJob('', {}, { task, replicatedJob: { maxConcurrent: 1, totalCompletions: 2 } });
  await end(id, 0, TaskState.FAILED);
  await pass(MINUTE);
  expect(ofRun(id, 0)).toMatchObject([{ status: { state: TaskState.FAILED } }, { slot: 2 }]);
  await end(id, 0, TaskState.FAILED);
  await pass(MINUTE);
  expect(ofRun(id, 0)).toHaveLength(2);
  expect(status(id).runs).toEqual([]);
});

describe('while a run goes on', () => {
  test('the next one is left out, with the reason, and the one after it comes', async () => {
    const { addJob, status, until, tasks, ofRun, end } = await jobSwarm('node1');
    const id = await addJob('*/5 * * * *');
    await until('00:25:00');
    expect(tasks(id)).toHaveLength(1);
    expect(status(id)).toMatchObject({
      iteration: 1,
      nextExecution: time('00:30:00'),
      lastSkipped: {
        dueAt: time('00:25:00'),
        reason: 'the run that began at 1970-01-01T00:20:00.000Z went on',
      },
    });
    await end(id, 1);
    await until('00:30:00');
    expect(ofRun(id, 2)).toHaveLength(1);
  });

  test('with replace, the next one takes its place: it waits in each slot until the old task has stopped', async () => {
    const { addJob, status, until, runAll, ofRun, stopUnwanted } = await jobSwarm('node1');
    const id = await addJob('*/5 * * * *', { overlap: 'replace' });
    await until('00:20:00');
    await runAll(id);
    await until('00:25:00');
    expect(ofRun(id, 1)).toMatchObject([{ desiredState: TaskState.REMOVE }]);
    expect(ofRun(id, 2)).toMatchObject([{ desiredState: TaskState.READY }]);
    expect(status(id).lastOutcome).toMatchObject({ iteration: 1, completed: 0, message: 'another run took its place' });
    await stopUnwanted(id);
    expect(ofRun(id, 2)).toMatchObject([{ desiredState: TaskState.COMPLETE }]);
  });

  test('with allow, both run in the same slots, and each tries its own failures again', async () => {
    const { addJob, status, until, pass, runAll, ofRun, report, end } = await jobSwarm('node1');
    const id = await addJob('*/5 * * * *', { overlap: 'allow' });
    await until('00:20:00');
    await runAll(id);
    await until('00:25:00');
    await runAll(id);
    expect([...ofRun(id, 1), ...ofRun(id, 2)]).toMatchObject([
      { slot: 1, status: { state: TaskState.RUNNING }, desiredState: TaskState.COMPLETE },
      { slot: 1, status: { state: TaskState.RUNNING }, desiredState: TaskState.COMPLETE },
    ]);
    const [first] = ofRun(id, 1);
    if (first) await report(first, TaskState.FAILED);
    await pass(5_000);
    expect(ofRun(id, 1)).toHaveLength(2);
    await end(id, 2);
    expect(status(id)).toMatchObject({ runs: [{ iteration: 1 }], lastOutcome: { iteration: 2, completed: 1 } });
    await end(id, 1);
    expect(status(id)).toMatchObject({ runs: [], lastOutcome: { iteration: 1, completed: 1 } });
  });

  test('with allow, they do not pile up without end', async () => {
    const { addJob, status, pass } = await jobSwarm('node1');
    const id = await addJob('*/10 * * * * *', { overlap: 'allow' });
    await pass(10_000 * (MOST_RUNS + 1));
    expect(status(id).runs).toHaveLength(MOST_RUNS);
    expect(status(id).lastSkipped?.reason).toBe(`${MOST_RUNS} runs went on already`);
  });
});

describe('a change of leader', () => {
  test('brings no run twice', async () => {
    const { addJob, status, until, tasks, restart } = await jobSwarm('node1');
    const id = await addJob('*/5 * * * *');
    await until('00:20:00');
    await restart();
    expect(tasks(id)).toHaveLength(1);
    expect(status(id)).toMatchObject({ iteration: 1, nextExecution: time('00:25:00') });
  });

  test('during which times passed makes one run up, by the newest of them', async () => {
    const { addJob, status, tasks, clock, settle, away } = await jobSwarm('node1');
    const id = await addJob('*/5 * * * *');
    await away(async () => clock.advance(time('00:33:00') - clock.now()));
    await settle();
    expect(tasks(id)).toHaveLength(1);
    expect(status(id)).toMatchObject({
      runs: [{ iteration: 1, dueAt: time('00:30:00'), startedAt: time('00:33:00') }],
      nextExecution: time('00:35:00'),
    });
    expect(status(id).lastSkipped).toBeUndefined();
  });

  test('that took longer than the missed-run window leaves the run out, with the reason', async () => {
    const { addJob, status, tasks, until, clock, settle, away } = await jobSwarm('node1');
    const id = await addJob('@hourly', { missedRunWindow: 60e9 });
    await away(async () => clock.advance(time('02:01:01') - clock.now()));
    await settle();
    expect(tasks(id)).toEqual([]);
    expect(status(id)).toMatchObject({
      iteration: 0,
      nextExecution: time('03:00:00'),
      lastSkipped: {
        dueAt: time('02:00:00'),
        reason: 'no manager could start it then, and 61 s later the missed-run window was over',
      },
    });
    await until('03:00:00');
    expect(tasks(id)).toHaveLength(1);
  });

  test('to a manager whose clock is behind does not repeat a run', async () => {
    const { addJob, status, until, restart, store, end } = await jobSwarm('node1');
    const id = await addJob('*/5 * * * *');
    // The leader before was ahead by two minutes.
    await until('00:18:00');
    await store.update((draft) => {
      const service = draft.get('service', id);
      if (service?.jobStatus)
        draft.update('service', {
          ...service,
          jobStatus: { ...service.jobStatus, nextExecution: time('00:25:00'), lastExecution: time('00:20:00') },
        });
    });
    await restart();
    await until('00:20:00');
    expect(status(id).iteration).toBe(0);
    await until('00:25:00');
    await end(id, 1);
    expect(status(id).iteration).toBe(1);
  });
});

describe('a change of the spec', () => {
  test('recomputes the next run when the schedule changes, and does not run the job', async () => {
    const { addJob, status, change, tasks, until } = await jobSwarm('node1');
    const id = await addJob('@hourly');
    const schedule = { cron: '*/10 * * * *', timeZone: '', overlap: '', missedRunWindow: 0 };
    await change(id, { schedule });
    expect(status(id).nextExecution).toBe(time('00:20:00'));
    expect(tasks(id)).toEqual([]);
    await until('00:20:00');
    expect(tasks(id)).toHaveLength(1);
  });

  test('by force runs it now, in place of the run that goes on', async () => {
    const { addJob, status, change, until, ofRun, runAll } = await jobSwarm('node1');
    const id = await addJob('@hourly');
    await change(id, {}, true);
    expect(status(id)).toMatchObject({ iteration: 1, nextExecution: time('01:00:00'), runs: [{ dueAt: 0 }] });
    await runAll(id);
    await until('00:20:00');
    await change(id, {}, true);
    expect(ofRun(id, 1)).toMatchObject([{ desiredState: TaskState.REMOVE }]);
    expect(ofRun(id, 2)).toHaveLength(1);
  });

  test('leaves the run that goes on at what it was to do', async () => {
    const { addJob, status, change, until, tasks, end } = await jobSwarm('node1');
    const id = await addJob('@hourly');
    await until('01:00:00');
    await change(id, { replicatedJob: { maxConcurrent: 3, totalCompletions: 3 } });
    expect(tasks(id)).toHaveLength(1);
    await end(id, 1);
    expect(status(id)).toMatchObject({ runs: [], lastOutcome: { completed: 1, total: 1 } });
    await until('02:00:00');
    expect(tasks(id)).toHaveLength(4);
  });

  test('that takes the schedule away leaves the job at rest', async () => {
    const { addJob, status, change, until, tasks } = await jobSwarm('node1');
    const id = await addJob('@hourly');
    await change(id, { schedule: undefined });
    expect(status(id)).toMatchObject({ nextExecution: 0, runs: [] });
    await until('02:00:00');
    expect(tasks(id)).toEqual([]);
    await change(id, {}, true);
    expect(tasks(id)).toHaveLength(1);
  });

  test('that gives a job a schedule lets the run that goes on end', async () => {
    const { addJob, status, change, until, end } = await jobSwarm('node1');
    const id = await addJob('');
    expect(status(id)).toMatchObject({ iteration: 0, runs: [{ iteration: 0 }] });
    await change(id, { schedule: { cron: '@hourly', timeZone: '', overlap: '', missedRunWindow: 0 } });
    await end(id, 0);
    expect(status(id)).toMatchObject({ runs: [], lastOutcome: { iteration: 0, completed: 1 } });
    await until('01:00:00');
    expect(status(id)).toMatchObject({ iteration: 1, runs: [{ iteration: 1 }] });
  });

  test('of a job without a schedule runs it anew, and forgets tasks of runs before', async () => {
    const { addJob, change, ofRun, runAll, stopUnwanted } = await jobSwarm('node1');
    const id = await addJob('');
    await runAll(id);
    await change(id, { labels: { a: 'b' } });
    expect(ofRun(id, 0)).toMatchObject([{ desiredState: TaskState.REMOVE }]);
    await stopUnwanted(id);
    expect(ofRun(id, 0)).toEqual([]);
    expect(ofRun(id, 1)).toMatchObject([{ desiredState: TaskState.COMPLETE }]);
  });
});
