/** One call of a client. Times are of one clock, or the numbers of a common sequence of events. */
export interface Operation<I, O> {
  /** Which client called: for the reader of an explanation only. */
  readonly process: number;
  readonly key: string;
  readonly input: I;
  /**
   * What was answered. Undefined when no answer came (timed out, connection lost, leader changed): the
   * operation took effect at any time after its invocation, or never does. An operation that is known
   * not to have happened does not belong into a history.
   */
  readonly output: O | undefined;
  readonly invoked: number;
  /** When the answer came; Infinity without an answer. What returns when another is invoked is concurrent to it. */
  readonly returned: number;
}

/** What one key does when its operations come one at a time. States and outputs are compared with `===`. */
export interface Model<S, I, O> {
  readonly initial: S;
  apply(state: S, input: I): { readonly state: S; readonly output: O };
  /**
   * An input in the place of each operation's own that makes the history easier to check and no more
   * and no less acceptable; undefined leaves out an operation without an answer. Operations that get
   * the same object are interchangeable.
   */
  reduce(operations: readonly Operation<I, O>[]): readonly (I | undefined)[];
  /** The states that an operation reads or compares with. */
  observes(input: I, output: O | undefined): readonly S[];
  /** The state that an operation leaves if it changes any. */
  produces(input: I): readonly S[];
  /** As a person writes it: `write(a) → ok`, and `write(a) → ?` without an answer. */
  describe(input: I, output: O | undefined): string;
}
