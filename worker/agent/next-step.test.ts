import { describe, expect, it } from 'vitest';
import {
  AttachmentSpec,
  ContainerHealth,
  HealthCheckResult,
  HealthConfig,
  HealthState,
  ResourceLimits,
  ResourceRequirements,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
} from '../../proto/gen/index.js';
import type { ContainerState } from '../executor/executor.js';
import type { LocalTask } from './local-task.js';
import { nextStep, type Observed } from './next-step.js';

const { ASSIGNED, ACCEPTED, PREPARING, READY, STARTING, RUNNING, COMPLETE, SHUTDOWN, FAILED, REJECTED, REMOVE } =
  TaskState;
const STATES = [ASSIGNED, ACCEPTED, PREPARING, READY, STARTING, RUNNING, COMPLETE, SHUTDOWN, FAILED, REJECTED] as const;

function local(state: TaskState, desiredState: TaskState = RUNNING, fields: Partial<LocalTask> = {}): LocalTask {
  const task = Task.create({ id: 't', desiredState });
  return { task, status: TaskStatus.create({ state }), assigned: true, networks: [], ...fields };
}

function observed(fields: Partial<Observed> = {}): Observed {
  const nothing = { container: undefined, health: undefined, missing: [], failure: '' };
  return { ...nothing, sandbox: { state: 'ready' }, withdrawn: true, ...fields };
}

function container(status: ContainerState['status'], code = 0, oomKilled = false): ContainerState {
  const exit = status === 'exited' ? { code, oomKilled, finishedAt: 1 } : undefined;
  return { id: 't', status, pid: status === 'running' ? 7 : 0, startedAt: 0, exit, check: undefined };
}

describe('nextStep - the way up', () => {
  it.each([
    ['accepts', ASSIGNED, undefined, { kind: 'status', state: ACCEPTED, message: 'accepted' }],
    ['begins to prepare', ACCEPTED, undefined, { kind: 'status', state: PREPARING, message: 'preparing' }],
    ['prepares', PREPARING, undefined, { kind: 'prepare' }],
    ['is ready', PREPARING, container('prepared'), { kind: 'status', state: READY, message: 'prepared' }],
    ['is to start', READY, container('prepared'), { kind: 'status', state: STARTING, message: 'starting' }],
    ['starts', STARTING, container('prepared'), { kind: 'start' }],
    ['runs', STARTING, container('running'), { kind: 'status', state: RUNNING, message: 'started' }],
    ['goes on running', RUNNING, container('running'), { kind: 'wait' }],
    ['completes', RUNNING, container('exited'), { kind: 'status', state: COMPLETE, message: 'finished' }],
    ['fails', RUNNING, container('exited', 1), { kind: 'status', state: FAILED, error: 'task: non-zero exit (1)' }],
    [
      'ends at once',
      STARTING,
      container('exited', 3),
      { kind: 'status', state: FAILED, error: 'task: non-zero exit (3)' },
    ],
  ])('%s', (_name, state, present, step) => {
    expect(nextStep(local(state), observed({ container: present }))).toEqual(step);
  });

  it('waits in READY until managers want it to run', () => {
    expect(nextStep(local(READY, READY), observed({ container: container('prepared') }))).toEqual({ kind: 'wait' });
  });

  it('runs a job to its end', () => {
    expect(nextStep(local(RUNNING, COMPLETE), observed({ container: container('running') }))).toEqual({ kind: 'wait' });
  });

  it('says that memory ran out, and what the limit was', () => {
    const limits = ResourceLimits.create({ memoryBytes: 1 << 26 });
    const spec = TaskSpec.create({ resources: ResourceRequirements.create({ limits }) });
    const task = Task.create({ id: 't', desiredState: RUNNING, spec });
    expect(
      nextStep(local(RUNNING, RUNNING, { task }), observed({ container: container('exited', 137, true) })),
    ).toEqual({
      kind: 'status',
      state: FAILED,
      error: 'task: non-zero exit (137): out of memory (limit 67108864 bytes)',
    });
  });

  it('rejects a task whose image is missing', () => {
    const step = nextStep(local(PREPARING), observed({ failure: 'No such image: x:latest' }));
    expect(step).toEqual({ kind: 'status', state: REJECTED, error: 'No such image: x:latest' });
  });

  it('fails a task that the runtime cannot start', () => {
    const step = nextStep(local(STARTING), observed({ container: container('prepared'), failure: 'exec: not found' }));
    expect(step).toEqual({ kind: 'status', state: FAILED, error: 'exec: not found' });
  });

  it('waits for a secret in words, once', () => {
    const missing = observed({ missing: ['secret "key"'] });
    const message = 'waiting for secret "key"';
    expect(nextStep(local(PREPARING), missing)).toEqual({ kind: 'status', state: PREPARING, message });
    const said = local(PREPARING, RUNNING, { status: TaskStatus.create({ state: PREPARING, message }) });
    expect(nextStep(said, missing)).toEqual({ kind: 'wait' });
  });
});

describe('nextStep - network', () => {
  const problem = (expired: boolean) => ({ state: 'problem', message: 'vxlan0: File exists', expired }) as const;

  it('is not ready before its sandbox is', () => {
    const waiting = observed({ container: container('prepared'), sandbox: { state: 'pending' } });
    expect(nextStep(local(PREPARING), waiting)).toEqual({ kind: 'wait' });
    expect(nextStep(local(STARTING), waiting)).toEqual({ kind: 'wait' });
  });

  it.each([PREPARING, READY] as const)('says in state %i what it waits for', (state) => {
    const step = nextStep(local(state), observed({ container: container('prepared'), sandbox: problem(false) }));
    expect(step).toEqual({ kind: 'status', state, message: 'waiting for network: vxlan0: File exists' });
  });

  it.each([
    [PREPARING, REJECTED],
    [READY, FAILED],
    [STARTING, FAILED],
  ] as const)('gives up in state %i after the limit', (state, end) => {
    const step = nextStep(local(state), observed({ container: container('prepared'), sandbox: problem(true) }));
    expect(step).toEqual({ kind: 'status', state: end, error: 'network: vxlan0: File exists' });
  });

  it('does not let a task run that cannot be reached', () => {
    const sandbox = problem(true);
    expect(nextStep(local(RUNNING), observed({ container: container('running'), sandbox }))).toEqual({ kind: 'stop' });
    expect(nextStep(local(RUNNING), observed({ container: container('exited', 143), sandbox }))).toEqual({
      kind: 'status',
      state: FAILED,
      error: 'network: vxlan0: File exists',
    });
  });
});

describe('nextStep - the way down', () => {
  it.each([SHUTDOWN, REMOVE])('stops what runs when %i is desired, then says so', (desired) => {
    expect(nextStep(local(RUNNING, desired), observed({ container: container('running') }))).toEqual({ kind: 'stop' });
    for (const code of [0, 143])
      expect(nextStep(local(RUNNING, desired), observed({ container: container('exited', code) }))).toEqual({
        kind: 'status',
        state: SHUTDOWN,
        message: 'shutdown',
      });
  });

  it('keeps an exited container for its logs while the task is assigned', () => {
    expect(nextStep(local(SHUTDOWN, SHUTDOWN), observed({ container: container('exited') }))).toEqual({ kind: 'wait' });
  });

  it('removes a prepared container that will never run', () => {
    const step = nextStep(local(REJECTED), observed({ container: container('prepared') }));
    expect(step).toEqual({ kind: 'remove' });
  });

  it('removes all of a task that is no longer assigned', () => {
    const gone = { assigned: false };
    expect(nextStep(local(RUNNING, RUNNING, gone), observed({ container: container('running') }))).toEqual({
      kind: 'stop',
    });
    expect(nextStep(local(SHUTDOWN, RUNNING, gone), observed({ container: container('exited') }))).toEqual({
      kind: 'remove',
    });
    expect(nextStep(local(SHUTDOWN, RUNNING, gone), observed())).toEqual({ kind: 'forget' });
  });
});

describe('nextStep - after a restart of the daemon', () => {
  it('prepares again what may be half prepared', () => {
    expect(nextStep(local(ACCEPTED), observed({ container: container('prepared') }))).toEqual({ kind: 'remove' });
  });

  it('accepts a task, and prepares nothing before it is to be ready', () => {
    expect(nextStep(local(ASSIGNED, ACCEPTED), observed())).toMatchObject({ kind: 'status', state: ACCEPTED });
    expect(nextStep(local(ACCEPTED, ACCEPTED), observed())).toEqual({ kind: 'wait' });
    expect(nextStep(local(ACCEPTED, READY), observed())).toMatchObject({ kind: 'status', state: PREPARING });
  });

  it.each([READY, STARTING, RUNNING])('fails a task in state %i without a container', (state) => {
    expect(nextStep(local(state), observed())).toMatchObject({ kind: 'status', state: FAILED });
  });

  it('takes a running container back', () => {
    const step = nextStep(
      local(STARTING),
      observed({ container: container('running'), sandbox: { state: 'pending' } }),
    );
    expect(step).toMatchObject({ kind: 'status', state: RUNNING });
  });
});

describe('nextStep - attachments', () => {
  const spec = TaskSpec.create({ attachment: AttachmentSpec.create({ containerId: 'ab'.repeat(32) }) });
  const attachment = (state: TaskState, desiredState: TaskState = RUNNING, assigned = true) =>
    local(state, desiredState, { task: Task.create({ id: 't', desiredState, spec }), assigned });

  it.each([
    ['is accepted', ASSIGNED, 'pending', { kind: 'status', state: ACCEPTED, message: 'accepted' }],
    ['waits for its endpoints', ACCEPTED, 'pending', { kind: 'wait' }],
    ['runs without a container', ACCEPTED, 'ready', { kind: 'status', state: RUNNING, message: 'attached' }],
    ['goes on while its container is stopped', RUNNING, 'pending', { kind: 'wait' }],
  ] as const)('%s', (_name, state, sandbox, step) => {
    expect(nextStep(attachment(state), observed({ sandbox: { state: sandbox } }))).toEqual(step);
  });

  it('is not given up for a problem of its network, but says it', () => {
    const sandbox = { state: 'problem', message: 'vxlan0: File exists', expired: true } as const;
    const message = 'waiting for network: vxlan0: File exists';
    expect(nextStep(attachment(ACCEPTED), observed({ sandbox }))).toEqual({ kind: 'status', state: ACCEPTED, message });
    expect(nextStep(attachment(RUNNING), observed({ sandbox }))).toEqual({ kind: 'wait' });
  });

  it('ends when it is detached, and leaves nothing', () => {
    expect(nextStep(attachment(RUNNING, REMOVE), observed())).toMatchObject({ kind: 'status', state: SHUTDOWN });
    expect(nextStep(attachment(SHUTDOWN, REMOVE), observed())).toEqual({ kind: 'wait' });
    expect(nextStep(attachment(SHUTDOWN, REMOVE, false), observed())).toEqual({ kind: 'forget' });
  });
});

const CHECK = { config: HealthConfig.create({ test: ['CMD', 'true'] }), shell: [] };
const healthOf = (status: HealthState, fields: Partial<ContainerHealth> = {}) =>
  ContainerHealth.create({ status, since: 5, ...fields });
const HEALTHS = [
  undefined,
  ...[HealthState.STARTING, HealthState.HEALTHY, HealthState.UNHEALTHY].map((s) => healthOf(s)),
];

describe('nextStep - health', () => {
  const running = { ...container('running'), check: CHECK };
  const exited = (code: number) => ({ ...container('exited', code), check: CHECK });
  const task = (state: TaskState, health: HealthState) =>
    local(state, RUNNING, { status: TaskStatus.create({ state, health }) });
  const unhealthy = healthOf(HealthState.UNHEALTHY, {
    failingStreak: 3,
    log: [HealthCheckResult.create({ exitCode: 1, output: "can't connect\n" })],
  });

  it('stays STARTING until the check has succeeded, and says so once', () => {
    const health = healthOf(HealthState.STARTING);
    expect(nextStep(task(STARTING, HealthState.NONE), observed({ container: running, health }))).toEqual({
      kind: 'status',
      state: STARTING,
      message: 'starting: waiting for the health check',
      health: HealthState.STARTING,
    });
    expect(nextStep(task(STARTING, HealthState.STARTING), observed({ container: running, health }))).toEqual({
      kind: 'wait',
    });
    const step = nextStep(
      task(STARTING, HealthState.STARTING),
      observed({ container: running, health: healthOf(HealthState.HEALTHY) }),
    );
    expect(step).toEqual({ kind: 'status', state: RUNNING, message: 'started', health: HealthState.HEALTHY });
  });

  it('goes on RUNNING at once when it was known to be healthy before a restart of the daemon', () => {
    const health = healthOf(HealthState.HEALTHY);
    const step = nextStep(task(STARTING, HealthState.NONE), observed({ container: running, health }));
    expect(step).toMatchObject({ state: RUNNING });
    expect(nextStep(task(RUNNING, HealthState.HEALTHY), observed({ container: running, health }))).toEqual({
      kind: 'wait',
    });
  });

  it.each([STARTING, RUNNING])(
    'in state %i is told to be unhealthy, then stopped, then FAILED with the reason',
    (state) => {
      const told = nextStep(task(state, HealthState.HEALTHY), observed({ container: running, health: unhealthy }));
      expect(told).toMatchObject({ kind: 'status', state, health: HealthState.UNHEALTHY });
      const before = task(state, HealthState.UNHEALTHY);
      expect(nextStep(before, observed({ container: running, health: unhealthy }))).toEqual({ kind: 'stop' });
      for (const code of [0, 143])
        expect(nextStep(before, observed({ container: exited(code), health: unhealthy }))).toMatchObject({
          state: FAILED,
          error: "unhealthy container: its health check failed 3 times in a row, last output: can't connect",
        });
      expect(nextStep(before, observed({ container: exited(137) }))).toMatchObject({
        state: FAILED,
        error: 'unhealthy container',
      });
    },
  );

  it('is stopped only when it is out of all balancers, if it was in any', () => {
    const withdrawn = false;
    const seen = observed({ container: running, health: unhealthy, withdrawn });
    expect(nextStep(task(RUNNING, HealthState.HEALTHY), seen)).toMatchObject({ health: HealthState.UNHEALTHY });
    expect(nextStep(task(RUNNING, HealthState.UNHEALTHY), seen)).toEqual({ kind: 'wait' });
    expect(nextStep(task(STARTING, HealthState.UNHEALTHY), seen)).toEqual({ kind: 'stop' });
    const recovered = healthOf(HealthState.HEALTHY);
    for (const [out, kind] of [
      [false, 'wait'],
      [true, 'stop'],
    ] as const) {
      const again = observed({ container: running, health: recovered, withdrawn: out });
      expect(nextStep(task(RUNNING, HealthState.UNHEALTHY), again)).toEqual({ kind });
    }
    const ended = observed({ container: exited(137), health: unhealthy, withdrawn });
    expect(nextStep(task(RUNNING, HealthState.UNHEALTHY), ended)).toMatchObject({ state: FAILED });
    const told = local(RUNNING, SHUTDOWN, { status: task(RUNNING, HealthState.UNHEALTHY).status });
    expect(nextStep(told, seen)).toEqual({ kind: 'stop' });
  });

  it('does not matter for one that ends by itself, or is to stop', () => {
    const health = healthOf(HealthState.STARTING);
    const ended = nextStep(task(STARTING, HealthState.STARTING), observed({ container: exited(0), health }));
    expect(ended).toMatchObject({ state: COMPLETE });
    const stopping = local(RUNNING, SHUTDOWN, {
      status: TaskStatus.create({ state: RUNNING, health: HealthState.UNHEALTHY }),
    });
    expect(nextStep(stopping, observed({ container: exited(1), health: unhealthy }))).toMatchObject({
      state: SHUTDOWN,
    });
  });
});

it('nextStep - states never move backwards and ended tasks never start, whatever is observed', () => {
  const containers = [undefined, container('prepared'), container('running'), container('exited', 1)];
  const sandboxes: Observed['sandbox'][] = [
    { state: 'pending' },
    { state: 'ready' },
    { state: 'problem', message: 'm', expired: false },
    { state: 'problem', message: 'm', expired: true },
  ];
  for (const state of STATES)
    for (const desired of [READY, RUNNING, COMPLETE, SHUTDOWN, REMOVE])
      for (const assigned of [true, false])
        for (const present of containers)
          for (const sandbox of sandboxes)
            for (const failure of ['', 'no'])
              for (const missing of [[], ['secret "s"']])
                for (const health of present?.status === 'running' ? HEALTHS : [undefined]) {
                  const task = local(state, desired, { assigned });
                  const checked = present && { ...present, check: health && CHECK };
                  const step = nextStep(task, observed({ container: checked, health, sandbox, failure, missing }));
                  if (step.kind === 'status') {
                    expect(step.state).toBeGreaterThanOrEqual(state);
                    expect(step.state !== state || step.message !== task.status.message).toBe(true);
                  }
                  if (state >= COMPLETE) expect(['wait', 'stop', 'remove', 'forget']).toContain(step.kind);
                  if (step.kind === 'start') expect([sandbox.state, present?.status]).toEqual(['ready', 'prepared']);
                  if (step.kind === 'stop') expect(present?.status).toBe('running');
                  if (step.kind === 'forget') expect([assigned, present]).toEqual([false, undefined]);
                }
});
