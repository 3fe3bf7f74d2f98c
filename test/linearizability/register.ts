import type { Model, Operation } from './model.js';

/** Null is the register's value before the first write. */
export type Value = string | null;

export type RegisterInput =
  | { readonly kind: 'read' }
  | { readonly kind: 'write'; readonly value: Value }
  | { readonly kind: 'cas'; readonly from: Value; readonly to: Value };

/** The value for `read`, 'ok' for `write`, 'ok' or 'refused' for `cas`. */
export type RegisterOutput = Value;

export type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

/** Stands for all values that only operations without an answer write, and that nobody observes. */
const UNOBSERVED = '(a value that nobody observed)';

/**
 * A register. Its checks are sharp, and fast, when every `write` and `cas` of a key brings a value of
 * its own; they are right in any case.
 */
export const register: Model<Value, RegisterInput, RegisterOutput> = {
  initial: null,

  apply(state, input) {
    switch (input.kind) {
      case 'read':
        return { state, output: state };
      case 'write':
        return { state: input.value, output: 'ok' };
      case 'cas':
        return state === input.from ? { state: input.to, output: 'ok' } : { state, output: 'refused' };
    }
  },

  // No operation can tell two values apart that nobody reads or compares with. So the many unanswered
  // writes without a visible effect, each of which may or may not have happened, are interchangeable.
  reduce(operations) {
    const observed = new Set(operations.flatMap(({ input, output }) => register.observes(input, output)));
    const reduced = (value: Value) => (observed.has(value) || observed.has(UNOBSERVED) ? value : UNOBSERVED);
    const inputs = new Map<string, RegisterInput>();
    const one = (input: RegisterInput): RegisterInput => {
      const name = JSON.stringify(input);
      const known = inputs.get(name) ?? input;
      inputs.set(name, known);
      return known;
    };
    return operations.map(({ input, output }) => {
      if (output !== undefined) return input;
      if (input.kind === 'read') return undefined;
      if (input.kind === 'write') return one({ kind: 'write', value: reduced(input.value) });
      return one({ kind: 'cas', from: input.from, to: reduced(input.to) });
    });
  },

  observes(input, output) {
    if (input.kind === 'cas') return [input.from];
    return input.kind === 'read' && output !== undefined ? [output] : [];
  },

  produces(input) {
    if (input.kind === 'read') return [];
    return [input.kind === 'write' ? input.value : input.to];
  },

  describe(input, output) {
    const answer = output === undefined ? '?' : String(output);
    if (input.kind === 'read') return `read() → ${answer}`;
    if (input.kind === 'write') return `write(${input.value}) → ${answer}`;
    return `cas(${input.from}, ${input.to}) → ${answer}`;
  },
};
