import { describe, expect, test } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import type { DesiredState } from '../state.js';
import { Pace } from './pace.js';

const state = (...ids: string[]): DesiredState => ({
  underlay: { address: '192.0.2.1', vxlanPort: 4789 },
  gatewayBridge: { address: '172.18.0.1/16', address6: '' },
  overlays: [],
  bridges: [],
  routed: [],
  zones: [],
  sandboxes: ids.map((id) => ({
    id,
    endpoints: [],
    gateway: true,
    virtualServices: [],
    ingress: undefined,
    hostPorts: [],
    resolver: undefined,
  })),
  ingress: undefined,
});

const attached = (to: DesiredState): DesiredState => ({
  ...to,
  sandboxes: to.sandboxes.map((sandbox) => ({
    ...sandbox,
    endpoints: [{ networkId: 'network', addresses: ['10.0.1.5'], mac: '02:42:0a:00:01:05' }],
  })),
});

describe('Pace', () => {
  /** Milliseconds that the next pass waits after one of the given length. */
  async function rest(length: number, next: DesiredState): Promise<number> {
    const clock = new ManualClock();
    const pace = new Pace(clock);
    await pace.measure(state('a'), () => clock.advance(length));
    const end = clock.now();
    let began: number | undefined;
    void pace.ready(next).then(() => {
      began = clock.now();
    });
    for (let i = 0; i < 100 && began === undefined; i++) await clock.advance(1);
    return (began ?? Number.NaN) - end;
  }

  test.each<[string, number, DesiredState, number]>([
    ['the next pass waits twice as long as the last one took', 10, state('a'), 20],
    ['but not for long', 1000, state('a'), 60],
    ['a sandbox that goes can wait', 10, state(), 20],
    ['a new sandbox does not wait', 10, state('a', 'b'), 1],
    ['nor one that gets an endpoint', 10, attached(state('a')), 1],
  ])('%s', async (_, length, next, expected) => {
    const waited = await rest(length, next);
    expect(waited).toBeLessThanOrEqual(expected);
    expect(waited).toBeGreaterThanOrEqual(expected - 1);
  });
});
