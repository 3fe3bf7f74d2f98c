import { ManualClock } from '../lib/clock.js';
import type { Io } from './io.js';

/** An Io that nothing comes from, and what is written goes nowhere; tests replace what they look at. */
export function testIo(fields: Partial<Io> = {}): Io {
  return {
    env: {},
    stdin: (async function* () {})(),
    terminal: undefined,
    columns: undefined,
    clock: new ManualClock(),
    out: () => undefined,
    err: () => undefined,
    interrupted: () => new AbortController().signal,
    onSignals: () => () => undefined,
    dieOf: () => undefined,
    ...fields,
  };
}
