import type { Random } from '../../manager/raft/core/testing/random.js';
import { type RegisterInput, type RegisterOperation, register, type Value } from './register.js';

export interface WorkloadOptions {
  readonly clients: number;
  readonly keys: number;
  readonly operations: number;
  /** Probability that an operation gets no answer. */
  readonly unknown: number;
}

interface Call {
  readonly client: number;
  readonly key: string;
  readonly invoked: number;
  readonly answered: boolean;
  /** Infinity for one that never takes effect. */
  readonly effect: number;
  readonly returned: number;
}

/**
 * What clients see of registers that are atomic: each operation takes effect at one moment after its
 * invocation and before its answer, and one without an answer at any time after its invocation or
 * never. Times are small whole numbers, so that many are the same.
 */
export function workload(random: Random, options: WorkloadOptions): RegisterOperation[] {
  const calls = Array.from({ length: options.clients }, (_, client) => callsOf(client, random, options)).flat();
  const states = new Map<string, Value[]>();
  let written = 0;
  const operations = [...calls]
    .sort((a, b) => a.effect - b.effect)
    .map(({ client, key, invoked, answered, effect, returned }): RegisterOperation => {
      const past = states.get(key) ?? [register.initial];
      states.set(key, past);
      const input = randomInput(random, past, `v${++written}`);
      const { state, output } = register.apply(past.at(-1) ?? null, input);
      if (effect !== Number.POSITIVE_INFINITY && state !== past.at(-1)) past.push(state);
      return { process: client, key, input, output: answered ? output : undefined, invoked, returned };
    });
  return operations.sort((a, b) => a.invoked - b.invoked);
}

function callsOf(client: number, random: Random, { clients, keys, operations, unknown }: WorkloadOptions): Call[] {
  let now = 0;
  return Array.from({ length: Math.ceil(operations / clients) }, () => {
    const invoked = now + random.below(4);
    const answered = !random.chance(unknown);
    const soon = invoked + random.below(6);
    const effect = answered ? soon : (random.pick([soon, soon + random.below(200), Number.POSITIVE_INFINITY]) ?? soon);
    now = answered ? soon + random.below(6) : invoked + 10;
    const returned = answered ? now : Number.POSITIVE_INFINITY;
    return { client, key: `k${random.below(keys)}`, invoked, answered, effect, returned };
  });
}

function randomInput(random: Random, past: readonly Value[], fresh: Value): RegisterInput {
  const dice = random.below(10);
  if (dice < 4) return { kind: 'read' };
  if (dice < 7) return { kind: 'write', value: fresh };
  const from = (random.chance(0.6) ? past.at(-1) : random.pick(past.slice(-5))) ?? null;
  return { kind: 'cas', from, to: fresh };
}
