import { expect, test } from 'vitest';
import { Autoscale, ServiceSpec } from '../../proto/gen/index.js';
import { atPresentScale } from './scale.js';

const spec = (replicas: number, autoscale?: Partial<Autoscale>) =>
  ServiceSpec.create({
    name: 'web',
    replicated: { replicas },
    autoscale: autoscale && Autoscale.create({ min: 2, max: 8, cpuPercent: 60, ...autoscale }),
  });

test.each<[string, ServiceSpec, ServiceSpec, number]>([
  ['what the load has made of it stays', spec(2, {}), spec(6, {}), 6],
  ['within the range of the spec that comes back', spec(2, { max: 4 }), spec(6, {}), 4],
  ['and not below it', spec(3, { min: 3 }), spec(1), 3],
  ['without autoscaling the spec says how many', spec(2), spec(6, {}), 2],
])('%s', (_, next, present, replicas) => {
  expect(atPresentScale(next, present)).toEqual({ ...next, replicated: { replicas } });
});
