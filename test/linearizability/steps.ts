import type { Model, Operation } from './model.js';

/** An operation as the search sees it: its reduced input, and the numbers of its events in one sequence. */
export interface Step<I, O> {
  readonly operation: Operation<I, O>;
  readonly input: I;
  readonly output: O | undefined;
  readonly invoked: number;
  readonly returned: number;
}

/** Events at the same time are numbered invocations first, so that their operations overlap. */
export function stepsOf<S, I, O>(model: Model<S, I, O>, operations: readonly Operation<I, O>[]): Step<I, O>[] {
  const times = operations.flatMap(({ invoked, returned }, index) => [
    { time: invoked, isReturn: false, index },
    { time: returned, isReturn: true, index },
  ]);
  times.sort((a, b) => (a.time < b.time ? -1 : a.time > b.time ? 1 : Number(a.isReturn) - Number(b.isReturn)));
  const invoked: number[] = [];
  const returned: number[] = [];
  times.forEach(({ time, isReturn, index }, number) => {
    (isReturn ? returned : invoked)[index] = time === Number.POSITIVE_INFINITY ? time : number;
  });
  const inputs = model.reduce(operations);
  return operations.flatMap((operation, i) => {
    const input = inputs[i];
    if (input === undefined) return [];
    return [{ operation, input, output: operation.output, invoked: invoked[i] ?? 0, returned: returned[i] ?? 0 }];
  });
}

/** The step without its answer: it may take effect later, or never. A history does not become less acceptable. */
export function forget<I, O>(step: Step<I, O>): Step<I, O> {
  return { ...step, output: undefined, returned: Number.POSITIVE_INFINITY };
}
