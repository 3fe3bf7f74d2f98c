import { describe, expect, test } from 'vitest';
import { Autoscale, ResourceLimits, ResourceRequirements, ServiceSpec } from '../../../proto/gen/index.js';
import { testTaskSpec } from '../../testing/objects.js';
import { autoscaleWarnings } from './autoscale.js';
import { checkServiceSpec } from './service.js';

const spec = (autoscale: Partial<Autoscale>, fields: Partial<ServiceSpec> = {}) =>
  ServiceSpec.create({
    name: 'web',
    replicated: { replicas: 2 },
    task: testTaskSpec('web'),
    autoscale: Autoscale.create({ min: 1, max: 4, cpuPercent: 60, ...autoscale }),
    ...fields,
  });

describe('autoscale', () => {
  test.each<[ServiceSpec, string]>([
    [spec({ min: 0 }), 'a service that is scaled by load cannot have 0 tasks'],
    [spec({ min: 5 }), 'a service cannot have 5 tasks at least and 4 at most'],
    [spec({ cpuPercent: 0 }), 'there is nothing to scale the service by'],
    [spec({ cpuPercent: 1001 }), 'cpu 1001 % is too much for a target'],
    [spec({ connectionsPerSecond: 1_000_001 }), '1000001 connections per second are too many'],
    [spec({ upWindow: 3601e9 }), 'up-window=3601s is too long'],
    [spec({ downWindow: 7200e9 }), 'down-window=7200s is too long'],
    [spec({ min: 3 }), 'service web has 3 to 4 tasks as its load asks for, and not 2'],
    [spec({}, { replicated: { replicas: 5 } }), 'service web has 1 to 4 tasks as its load asks for, and not 5'],
    [
      spec({}, { replicated: undefined, global: {} }),
      'only replicated services can be scaled by load, not a global one',
    ],
    [
      spec({}, { replicated: undefined, replicatedJob: { maxConcurrent: 1, totalCompletions: 1 } }),
      'only replicated services can be scaled by load, not a replicated-job one',
    ],
  ])('%#: %j is refused', (refused, message) => {
    expect(() => checkServiceSpec(refused)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => checkServiceSpec(refused)).toThrow(message);
  });

  test.each<[Partial<Autoscale>]>([
    [{}],
    [{ cpuPercent: 0, connectionsPerSecond: 100 }],
    [{ upWindow: 0, downWindow: 3600e9 }],
    [{ min: 2, max: 2 }],
  ])('%j is accepted', (autoscale) => checkServiceSpec(spec(autoscale)));

  test('a target that a limit keeps tasks from is told of', () => {
    const resources = ResourceRequirements.create({ limits: ResourceLimits.create({ nanoCpus: 1e9 }) });
    const limited = { task: testTaskSpec('web', { resources }) };
    expect(autoscaleWarnings(spec({ cpuPercent: 101 }, limited))).toEqual([
      expect.stringContaining('never asks for more tasks by cpu'),
    ]);
    expect(autoscaleWarnings(spec({ cpuPercent: 100 }, limited))).toEqual([]);
    expect(autoscaleWarnings(spec({ cpuPercent: 150 }))).toEqual([]);
  });
});
