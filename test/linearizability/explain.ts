import type { Model, Operation } from './model.js';
import { type Stuck, search } from './search.js';
import { forget, type Step } from './steps.js';

/**
 * The operations of one key that a person needs to see that it went wrong, by invocation: a few whose
 * answers contradict each other, and those that wrote the values that they observed.
 */
export function windowOf<S, I, O>(
  model: Model<S, I, O>,
  steps: readonly Step<I, O>[],
  stuck: Stuck<S, I, O>,
): Operation<I, O>[] {
  const answered = contradiction(model, steps, stuck).filter(({ output }) => output !== undefined);
  const observed = new Set(answered.flatMap(({ input, output }) => model.observes(input, output)));
  const shown = new Set(answered.map(({ operation }) => operation));
  for (const { operation, invoked } of steps)
    if (invoked < stuck.step.returned && model.produces(operation.input).some((state) => observed.has(state)))
      shown.add(operation);
  return [...shown].sort((a, b) => a.invoked - b.invoked);
}

/**
 * The end of the history, as short as possible, that is wrong whatever state it began with that was
 * possible until then; of that, without as many answers as possible, old ones first. Those that remain
 * contradict each other, and each is needed for it.
 */
function contradiction<S, I, O>(
  model: Model<S, I, O>,
  steps: readonly Step<I, O>[],
  stuck: Stuck<S, I, O>,
): readonly Step<I, O>[] {
  const end = stuck.step.returned;
  const startsAt = (begin: number) =>
    [...stuck.firstSeen].filter(([, number]) => number < begin).map(([state]) => state);
  const isWrong = (begin: number) => search(model, since(steps, begin, end), startsAt(begin)) !== undefined;
  // Between these two: from the first on, the end is wrong; from the second on, it is not.
  let [wrong, right] = [end, end + 1];
  while (wrong > 0 && !isWrong(wrong)) [wrong, right] = [Math.max(0, end - 2 * (end - wrong) - 1), wrong];
  while (right - wrong > 1) {
    const middle = (wrong + right) >> 1;
    if (isWrong(middle)) wrong = middle;
    else right = middle;
  }
  return weakest(since(steps, wrong, end), (tried) => search(model, tried, startsAt(wrong)) !== undefined);
}

/** What matters from one event to another. An operation that is open at the begin may have taken effect before. */
function since<I, O>(steps: readonly Step<I, O>[], begin: number, end: number): Step<I, O>[] {
  return steps
    .filter(({ invoked, returned }) => returned >= begin && invoked <= end)
    .map((step) => (step.invoked < begin ? forget(step) : step))
    .map((step) => (step.returned > end ? { ...step, returned: Number.POSITIVE_INFINITY } : step));
}

function weakest<I, O>(
  refused: readonly Step<I, O>[],
  isWrong: (steps: readonly Step<I, O>[]) => boolean,
): readonly Step<I, O>[] {
  let best = refused;
  const weaken = (from: number, to: number): void => {
    if (from === to) return;
    const tried = best.map((step, i) => (i >= from && i < to ? forget(step) : step));
    if (isWrong(tried)) best = tried;
    else if (to - from > 1) {
      const middle = (from + to) >> 1;
      weaken(from, middle);
      weaken(middle, to);
    }
  };
  weaken(0, refused.length);
  return best;
}

/** @param count of all operations of the key */
export function render<S, I, O>(
  model: Model<S, I, O>,
  count: number,
  window: readonly Operation<I, O>[],
  { step, states }: Stuck<S, I, O>,
): string {
  const times = window.map(({ invoked, returned }) => [
    String(invoked),
    Number.isFinite(returned) ? String(returned) : '',
  ]);
  const width = Math.max(...times.flat().map((time) => time.length));
  const lines = window.map((operation, i) => {
    const [invoked = '', returned = ''] = times[i] ?? [];
    const text = model.describe(operation.input, operation.output);
    const mark = operation === step.operation ? '   <- has no place' : '';
    return `  [${invoked.padStart(width)} .. ${returned.padStart(width)}]  client ${operation.process}  ${text}${mark}`;
  });
  return [
    `${step.operation.key}: no order of these operations, ${window.length} of ${count}, explains their answers:`,
    ...lines,
    `  what had returned before left the state at ${states.map(String).join(' or ')}`,
  ].join('\n');
}
