import type { Model, Operation } from './model.js';
import type { RegisterInput, RegisterOperation, RegisterOutput, Value } from './register.js';

/** Histories by hand. Without the time of an answer there is no answer. */
const operation = (
  process: number,
  input: RegisterInput,
  output: RegisterOutput,
  invoked: number,
  returned?: number,
): RegisterOperation => ({
  process,
  key: 'k',
  input,
  output: returned === undefined ? undefined : output,
  invoked,
  returned: returned ?? Number.POSITIVE_INFINITY,
});

export const write = (process: number, value: Value, invoked: number, returned?: number): RegisterOperation =>
  operation(process, { kind: 'write', value }, 'ok', invoked, returned);

export const read = (process: number, value: Value, invoked: number, returned?: number): RegisterOperation =>
  operation(process, { kind: 'read' }, value, invoked, returned);

export const cas = (
  process: number,
  from: Value,
  to: Value,
  output: 'ok' | 'refused',
  invoked: number,
  returned?: number,
): RegisterOperation => operation(process, { kind: 'cas', from, to }, output, invoked, returned);

/** Linearizability by its definition: tries every order of every choice of the unanswered operations. */
export function bruteForce<S, I, O>(model: Model<S, I, O>, history: readonly Operation<I, O>[]): boolean {
  const from = (state: S, left: readonly Operation<I, O>[]): boolean =>
    left.every(({ output }) => output === undefined) ||
    left.some((next) => {
      if (left.some(({ returned }) => returned < next.invoked)) return false;
      const result = model.apply(state, next.input);
      if (next.output !== undefined && next.output !== result.output) return false;
      return from(
        result.state,
        left.filter((operation) => operation !== next),
      );
    });
  return from(model.initial, history);
}
