import { Front, type Open } from './front.js';
import type { Model } from './model.js';
import type { Step } from './steps.js';

/** Where the search ended: no order of the operations up to this return explains what was answered. */
export interface Stuck<S, I, O> {
  readonly step: Step<I, O>;
  /** What the state could be just before, by all that had returned until then. */
  readonly states: readonly S[];
  /** After which event each state was possible for the first time; -1 for those at the start. */
  readonly firstSeen: ReadonlyMap<S, number>;
}

/**
 * Looks for an order of one key's operations that obeys the model and real time: Wing and Gong,
 * "Testing and Verifying Concurrent Objects" (1993), with the set of seen configurations and the
 * just-in-time linearization of Lowe, "Testing for linearizability" (2017): operations are placed only
 * when one returns that must have been. All configurations go through the events together, so the
 * work for an event depends on what is open then, not on the length of the history.
 *
 * @param starts what the state may be at the start
 * @returns undefined when there is such an order
 */
export function search<S, I, O>(
  model: Model<S, I, O>,
  steps: readonly Step<I, O>[],
  starts: readonly S[],
): Stuck<S, I, O> | undefined {
  const front = new Front(model, starts);
  const firstSeen = new Map(starts.map((state) => [state, -1]));
  const open = new Map<Step<I, O>, Open<I, O>>();
  for (const { number, step } of eventsOf(steps)) {
    const operation = open.get(step);
    if (operation === undefined) open.set(step, front.invoke(step.input, step.output));
    else {
      const states = front.states();
      if (!front.return(operation)) return { step, states, firstSeen };
      open.delete(step);
    }
    for (const state of front.states()) if (!firstSeen.has(state)) firstSeen.set(state, number);
  }
  return undefined;
}

function eventsOf<I, O>(steps: readonly Step<I, O>[]): { readonly number: number; readonly step: Step<I, O> }[] {
  return steps
    .flatMap((step) => [
      { number: step.invoked, step },
      { number: step.returned, step },
    ])
    .filter(({ number }) => number !== Number.POSITIVE_INFINITY)
    .sort((a, b) => a.number - b.number);
}
