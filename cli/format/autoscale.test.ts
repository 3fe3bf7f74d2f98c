import { expect, it } from 'vitest';
import { AutoscaleStatus, Service } from '../../proto/gen/objects.js';
import { Autoscale, ResourceLimits, ResourceRequirements, ServiceSpec, TaskSpec } from '../../proto/gen/specs.js';
import { autoscaleLines, autoscaleNote, dockerAutoscale, dockerAutoscaleStatus } from './autoscale.js';
import { prettyLines } from './pretty.js';

const AT = Date.UTC(2026, 0, 2, 13, 23, 37);
const resources = ResourceRequirements.create({ limits: ResourceLimits.create({ nanoCpus: 2e8 }) });
const spec = ServiceSpec.create({
  name: 'web',
  replicated: { replicas: 4 },
  task: TaskSpec.create({ resources }),
  autoscale: Autoscale.create({ min: 2, max: 9, cpuPercent: 60, connectionsPerSecond: 100 }),
});
const status = AutoscaleStatus.create({
  observedAt: AT + 30_000,
  tasks: 4,
  cpuPercent: 48.4,
  connectionsPerSecond: 12.34,
  message: 'as many as the load asks for',
  last: { from: 2, to: 4, at: AT, reason: 'cpu 93 % of 60 %' },
});

it('inspect --pretty - the rule, the usage, what is done and why', () => {
  expect(prettyLines(autoscaleLines(Service.create({ spec, autoscaleStatus: status })))).toBe(
    `Autoscale:
 Tasks:          2 to 9
 CPU:            60 % of 0.2 CPU
 Connections:    100 per second and task
 Windows:        up 15s, down 3m0s
 Usage:          cpu 48 % of 60 %, 12.3 of 100 connections per second (average of 4 tasks at 2026-01-02T13:24:07.000Z)
 State:          as many as the load asks for
 Last:           scaled from 2 to 4 at 2026-01-02T13:23:37.000Z: cpu 93 % of 60 %
`,
  );
  expect(autoscaleLines(Service.create({ spec: { ...spec, autoscale: undefined } }))).toEqual([]);
});

it('service ps - one line', () => {
  expect(autoscaleNote(Service.create({ spec, autoscaleStatus: status }))).toBe(
    'web: scaled from 2 to 4 at 2026-01-02T13:23:37.000Z: cpu 93 % of 60 %; 2 to 9 tasks by load, ' +
      'cpu 48 % of 60 %, 12.3 of 100 connections per second: as many as the load asks for',
  );
  expect(autoscaleNote(Service.create({ spec }))).toBe('web: 2 to 9 tasks by load, nothing is known of its load yet');
  expect(autoscaleNote(Service.create({ spec: { ...spec, autoscale: undefined } }))).toBeUndefined();
});

it('inspect - left out where it is not used', () => {
  expect(dockerAutoscale(undefined)).toBeUndefined();
  expect(dockerAutoscaleStatus(undefined)).toBeUndefined();
  expect(dockerAutoscale(spec.autoscale)).toEqual({
    ...{ Min: 2, Max: 9, CPUPercent: 60, ConnectionsPerSecond: 100, UpWindow: 15e9, DownWindow: 180e9 },
  });
  expect(dockerAutoscaleStatus(status)).toMatchObject({
    Tasks: 4,
    CPUPercent: 48.4,
    Last: { From: 2, To: 4, At: '2026-01-02T13:23:37.000Z', Reason: 'cpu 93 % of 60 %' },
  });
});
