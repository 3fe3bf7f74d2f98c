import { describe, expect, test } from 'vitest';
import type { MarkedService } from './balancer.js';
import { ipvsBalancer } from './ipvs.js';

const balancer = ipvsBalancer(new Set(['rr', 'wrr']));
const service = (mark: number, weights: readonly number[], more: Partial<MarkedService> = {}): MarkedService => ({
  mark,
  protocol: 'tcp',
  published: 8080,
  entry: 8080,
  scheduler: 'rr',
  affinity: 0,
  backends: [
    ...weights.map((weight, i) => ({ address: `10.0.0.${11 + i}`, weight })),
    { address: 'fd00::11', weight: 1 },
  ],
  ...more,
});
const made = (...args: Parameters<typeof service>) => balancer.objects([service(...args)], 4).ipvs[0];

describe('ipvs balancer', () => {
  test('a service by mark with masquerading destinations of the family', () => {
    expect(made(256, [1, 0])).toEqual({
      id: { family: 4, mark: 256 },
      settings: { scheduler: 'rr', persistence: 0, flags: 0 },
      destinations: [
        { address: '10.0.0.11', port: 0, weight: 1, masquerade: true, limit: 0 },
        { address: '10.0.0.12', port: 0, weight: 0, masquerade: true, limit: 0 },
      ],
    });
    expect(balancer.objects([service(256, [1])], 6).ipvs[0]).toMatchObject({
      id: { family: 6, mark: 256 },
      destinations: [{ address: 'fd00::11' }],
    });
  });

  test('what comes in by a stand-in gets the published port', () => {
    expect(made(256, [1], { entry: 65535 })?.destinations[0]?.port).toBe(8080);
  });

  test.each<[string, readonly number[], Partial<MarkedService>, object]>([
    ['rr with other weights is wrr, for rr knows none', [3, 1], {}, { scheduler: 'wrr' }],
    ['a weight of 0 is no other weight', [1, 0], {}, { scheduler: 'rr' }],
    ['affinity is persistence', [1], { affinity: 600 }, { persistence: 600 }],
    ['hashes pass over destinations that drain', [1], { scheduler: 'sh' }, { scheduler: 'sh', flags: 8 }],
  ])('%s', (_, weights, more, settings) => {
    expect(made(256, weights, more)?.settings).toMatchObject(settings);
  });

  test('the sandbox lets pass marks with a backend, and refuses the others', () => {
    const { sets } = balancer.objects([service(256, [1, 0]), service(257, [0]), service(258, [])], 4);
    expect(sets.map(({ name, elements }) => [name, elements])).toEqual([
      ['balanced', ['256']],
      ['draining', ['257']],
    ]);
  });
});
