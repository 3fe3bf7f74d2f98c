/**
 * One NetworkPlane in the network namespace that this program is started in. Reads requests as JSON lines
 * on standard input, writes one JSON line per answer: for tests, which need a process per node.
 */
import { createInterface } from 'node:readline';
import { createLogger } from '../../lib/log.js';
import { Secret } from '../../lib/secret.js';
import { NetworkPlane } from '../../netlb/plane.js';
import type { DesiredState } from '../../netlb/state.js';

export type DriverRequest =
  | { readonly apply: DesiredState; readonly keys?: readonly { readonly time: number; readonly hex: string }[] }
  /** Answered when the drift watch has started. */
  | { readonly watch: true }
  | { readonly statistics: true }
  | { readonly repair: true }
  | { readonly figures: true }
  | { readonly destroy: true };

const [runRoot, options] = process.argv.slice(2);
if (runRoot === undefined) throw new TypeError('usage: plane-driver RUN-ROOT [OPTIONS-AS-JSON]');

const plane = await NetworkPlane.open({
  runRoot,
  log: createLogger(process.env.PLANE_LOG === 'debug' ? 'debug' : 'info', 'plane'),
  ...(options === undefined ? {} : (JSON.parse(options) as object)),
});
const stop = new AbortController();
const answer = (value: object): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};

/** JSON does not show secrets: they come beside the state. */
function withKeys(state: DesiredState, keys: readonly { readonly time: number; readonly hex: string }[]): DesiredState {
  const { encryption } = state;
  if (!encryption) return state;
  const secrets = keys.map(({ time, hex }) => ({ time, secret: new Secret(Buffer.from(hex, 'hex')) }));
  return { ...state, encryption: { ...encryption, keys: secrets } };
}

answer({ ready: true });
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as DriverRequest;
  if ('apply' in request) {
    const start = performance.now();
    const report = await plane.apply(withKeys(request.apply, request.keys ?? []));
    answer({ ...report, milliseconds: performance.now() - start });
  } else if ('statistics' in request) {
    answer(await plane.statistics());
  } else if ('watch' in request) {
    void plane.run(stop.signal);
    answer({ watching: true });
  } else if ('figures' in request) {
    answer(plane.figures);
  } else if ('repair' in request) {
    answer(await plane.repair());
  } else {
    await plane.destroy();
    answer({ destroyed: true });
  }
}
stop.abort();
