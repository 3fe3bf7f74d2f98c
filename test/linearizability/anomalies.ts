import type { Random } from '../../manager/raft/core/testing/random.js';
import type { RegisterOperation, Value } from './register.js';

/** Makes an accepted history wrong without any doubt; undefined when it offers no place for that. */
export type Anomaly = (history: readonly RegisterOperation[], random: Random) => RegisterOperation[] | undefined;

const isRead = ({ input, output }: RegisterOperation) => input.kind === 'read' && output !== undefined;
const isCasOk = ({ input, output }: RegisterOperation) => input.kind === 'cas' && output === 'ok';
const isBefore = (a: RegisterOperation, b: RegisterOperation) => a.key === b.key && a.returned < b.invoked;

/** What an operation that succeeded left in the register. */
function produced({ input, output }: RegisterOperation): Value | undefined {
  if (input.kind === 'write' && output === 'ok') return input.value;
  return input.kind === 'cas' && output === 'ok' ? input.to : undefined;
}

const replace = (history: readonly RegisterOperation[], old: RegisterOperation, output: Value): RegisterOperation[] =>
  history.map((operation) => (operation === old ? { ...old, output } : operation));

/** Takes the first, in a random order, of which something can be made. */
function firstOf<T, R>(random: Random, items: readonly T[], make: (item: T) => R | undefined): R | undefined {
  const left = [...items];
  while (left.length > 0) {
    const made = make(left.splice(random.below(left.length), 1)[0] as T);
    if (made !== undefined) return made;
  }
  return undefined;
}

/** Each value is written once, so one that was replaced before never comes back. */
export const anomalies: Readonly<Record<string, Anomaly>> = {
  'a read of a value never written': (history, random) =>
    firstOf(random, history.filter(isRead), (old) => replace(history, old, 'never written')),

  'a read of a value that was replaced before': (history, random) =>
    firstOf(random, history.filter(isRead), (old) => {
      const newer = history.filter((o) => isBefore(o, old) && produced(o) !== undefined);
      return firstOf(random, newer, (later) => {
        const earlier = history.filter((o) => isBefore(o, later)).map(produced);
        return firstOf(random, earlier, (value) => (value === undefined ? undefined : replace(history, old, value)));
      });
    }),

  'a read of the initial value after a write': (history, random) =>
    firstOf(random, history.filter(isRead), (old) =>
      history.some((o) => isBefore(o, old) && produced(o) !== undefined) ? replace(history, old, null) : undefined,
    ),

  'a value seen and then the one that it replaced': (history, random) =>
    firstOf(random, history.filter(isCasOk), ({ key, input }) => {
      if (input.kind !== 'cas') return undefined;
      const seen = history.filter((o) => isRead(o) && o.key === key && o.output === input.to);
      return firstOf(random, seen, (first) =>
        firstOf(
          random,
          history.filter((o) => isRead(o) && isBefore(first, o)),
          (second) => replace(history, second, input.from),
        ),
      );
    }),

  'two cas that succeed from the same value': (history, random) =>
    firstOf(random, history.filter(isCasOk), (old) => {
      if (old.input.kind !== 'cas') return undefined;
      return [...history, { ...old, process: -1, input: { ...old.input, to: 'another' } }];
    }),

  'a refused cas whose value is read': (history, random) =>
    firstOf(random, history.filter(isCasOk), (old) => {
      const value = produced(old);
      const seen = history.some((o) => isRead(o) && o.key === old.key && o.output === value);
      return seen ? replace(history, old, 'refused') : undefined;
    }),
};
