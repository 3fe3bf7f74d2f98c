import { describe, expect, it } from 'vitest';
import { ContainerGoal, RunPhase, StoredContainer } from '../../proto/gen/index.js';
import type { ContainerState } from '../executor/executor.js';
import { nextContainerStep, type ObservedContainer } from './next-step.js';

const { REST, RUN, REMOVE } = ContainerGoal;
const { IDLE, STARTING, RUNNING } = RunPhase;

const record = (phase: RunPhase, goal: ContainerGoal, startedAt = 0) =>
  StoredContainer.create({ id: 'a', phase, goal, startedAt });
const state = (status: ContainerState['status'], startedAt = 5): ContainerState => ({
  id: 'a',
  status,
  pid: status === 'running' ? 7 : 0,
  startedAt: status === 'prepared' ? 0 : startedAt,
  exit: status === 'exited' ? { code: 1, oomKilled: false, finishedAt: 9 } : undefined,
  check: undefined,
});
const see = (fields: Partial<ObservedContainer> = {}): ObservedContainer => ({
  container: state('prepared'),
  sandbox: { state: 'ready' },
  failure: '',
  delay: 0,
  ...fields,
});
const kinds = (stored: StoredContainer, observed: ObservedContainer) => nextContainerStep(stored, observed).kind;

describe('nextContainerStep - a start', () => {
  it('gives endpoints first, starts when the kernel has them, and notes that it runs', () => {
    expect(kinds(record(IDLE, RUN), see())).toBe('house');
    expect(kinds(record(STARTING, RUN), see({ sandbox: { state: 'pending' } }))).toBe('wait');
    expect(kinds(record(STARTING, RUN), see())).toBe('start');
    expect(kinds(record(STARTING, RUN), see({ container: state('running') }))).toBe('started');
    expect(kinds(record(RUNNING, RUN, 5), see({ container: state('running') }))).toBe('wait');
  });

  it('is prepared anew when the machine was started anew before it ever ran', () => {
    expect(kinds(record(IDLE, REST), see({ container: undefined }))).toBe('prepare');
    expect(kinds(record(IDLE, REST), see({ container: undefined, failure: 'no image' }))).toBe('wait');
    expect(kinds(record(STARTING, RUN), see({ container: undefined }))).toBe('prepare');
  });

  it('is given up with the words of what failed, or of its network', () => {
    expect(nextContainerStep(record(STARTING, RUN), see({ failure: 'no such file' }))).toEqual({
      kind: 'giveUp',
      error: 'no such file',
    });
    const problem = { state: 'problem', message: 'bridge refused', expired: true } as const;
    expect(nextContainerStep(record(STARTING, RUN), see({ sandbox: problem }))).toEqual({
      kind: 'giveUp',
      error: 'network: bridge refused',
    });
    expect(kinds(record(STARTING, RUN), see({ sandbox: { ...problem, expired: false } }))).toBe('wait');
    expect(kinds(record(STARTING, REST), see())).toBe('giveUp');
  });

  it('of one that has exited before is told from its earlier run', () => {
    expect(kinds(record(STARTING, RUN, 5), see({ container: state('exited', 5) }))).toBe('start');
    // It ran and ended before anybody looked.
    expect(kinds(record(STARTING, RUN, 5), see({ container: state('exited', 8) }))).toBe('started');
  });

  it('by its policy waits for its time', () => {
    expect(nextContainerStep(record(IDLE, RUN, 5), see({ container: state('exited'), delay: 200 }))).toEqual({
      kind: 'wait',
      ms: 200,
    });
  });
});

describe('nextContainerStep - an end', () => {
  it('is noted whether the container is there or lost', () => {
    expect(kinds(record(RUNNING, RUN, 5), see({ container: state('exited') }))).toBe('ended');
    expect(kinds(record(RUNNING, RUN, 5), see({ container: undefined }))).toBe('ended');
  });

  it('is made when it is not to run any more', () => {
    for (const goal of [REST, REMOVE]) {
      expect(kinds(record(RUNNING, goal, 5), see({ container: state('running') }))).toBe('stop');
      expect(kinds(record(IDLE, goal), see({ container: state('running') }))).toBe('stop');
    }
  });

  it('of all is the removal, whatever there is of it', () => {
    for (const container of [undefined, state('prepared'), state('exited')])
      expect(kinds(record(IDLE, REMOVE), see({ container }))).toBe('remove');
  });

  it('is followed by nothing while nobody wants it', () => {
    for (const container of [state('prepared'), state('exited')])
      expect(kinds(record(IDLE, REST), see({ container }))).toBe('wait');
    expect(kinds(record(IDLE, REST, 5), see({ container: undefined }))).toBe('wait');
  });
});
