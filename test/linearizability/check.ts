import { render, windowOf } from './explain.js';
import type { Model, Operation } from './model.js';
import { search } from './search.js';
import { stepsOf } from './steps.js';

export interface Refusal<I, O> {
  readonly ok: false;
  readonly key: string;
  /** A few operations that contradict each other and those that wrote what they observed, by invocation. */
  readonly window: readonly Operation<I, O>[];
  /** The window as lines for a person, with what the state could be. */
  readonly explanation: string;
}

/**
 * Whether each key's operations are linearizable: as if each had taken effect at one moment between
 * its invocation and its answer (Herlihy and Wing 1990). Keys are independent of each other, so each
 * is checked alone.
 *
 * @throws RangeError when an operation's times and answer do not fit together
 */
export function checkLinearizable<S, I, O>(
  model: Model<S, I, O>,
  history: readonly Operation<I, O>[],
): { readonly ok: true } | Refusal<I, O> {
  const byKey = new Map<string, Operation<I, O>[]>();
  for (const operation of history) {
    assertWellFormed(operation);
    const ofKey = byKey.get(operation.key);
    if (ofKey) ofKey.push(operation);
    else byKey.set(operation.key, [operation]);
  }
  for (const [key, operations] of byKey) {
    const steps = stepsOf(model, operations);
    const stuck = search(model, steps, [model.initial]);
    if (!stuck) continue;
    const window = windowOf(model, steps, stuck);
    return { ok: false, key, window, explanation: render(model, operations.length, window, stuck) };
  }
  return { ok: true };
}

function assertWellFormed({ key, output, invoked, returned }: Operation<unknown, unknown>): void {
  if (!(returned >= invoked))
    throw new RangeError(`${key}: an operation invoked at ${invoked} returned at ${returned}`);
  if ((output === undefined) !== (returned === Number.POSITIVE_INFINITY))
    throw new RangeError(`${key}: an operation invoked at ${invoked} has an answer and no time of it, or the reverse`);
}
