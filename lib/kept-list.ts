/**
 * Lists that are told from lists of which few members have changed since the last time: a task more among ten thousand.
 * All of it is pure: what is remembered saves time, and has no part in the answer.
 */
import { commonEnds } from './common-ends.js';

/**
 * Each member put through a pure function. The answers for members that the list before had, at their place or moved
 * with all that follow, are taken from there; a list whose answers are those of the list before is answered with the
 * same object. Of lists the last one is remembered as long as somebody else has it. Nobody may change any of them.
 */
export function mappedList<A, B>(answer: (item: A) => B): (list: readonly A[]) => readonly B[] {
  const known = new WeakMap<readonly A[], readonly B[]>();
  let last: WeakRef<readonly A[]> | undefined;
  return (list) => {
    const before = known.get(list);
    if (before) return before;
    const previous = last?.deref();
    const answers = previous && known.get(previous);
    const mapped = previous && answers ? mappedFrom(previous, answers, list, answer) : list.map((item) => answer(item));
    known.set(list, mapped);
    last = new WeakRef(list);
    return mapped;
  };
}

function mappedFrom<A, B>(
  previous: readonly A[],
  answers: readonly B[],
  list: readonly A[],
  answer: (item: A) => B,
): readonly B[] {
  const { start, tail } = commonEnds(previous, list);
  const end = list.length - tail;
  const changed: B[] = [];
  let moved = 0;
  let unchanged = list.length === previous.length;
  const isAt = (index: number, item: A) => index >= 0 && index < previous.length && previous[index] === item;
  for (let i = start; i < end; i++) {
    const item = list[i] as A;
    if (previous[i + moved] !== item) {
      if (isAt(i + moved + 1, item)) moved++;
      else if (isAt(i + moved - 1, item)) moved--;
    }
    const value = isAt(i + moved, item) ? (answers[i + moved] as B) : answer(item);
    unchanged &&= value === answers[i];
    changed.push(value);
  }
  return unchanged ? answers : spliced(answers, start, changed, tail);
}

/** What a list begins with, other members, and what it ends with. */
const spliced = <T>(list: readonly T[], start: number, middle: readonly T[], tail: number): readonly T[] =>
  list.slice(0, start).concat(middle, list.slice(list.length - tail));

/** The same for two lists of one length, of whose members each two at one place are put through a function. */
export function mappedPairs<A, B, C>(
  answer: (item: A, other: B) => C,
): (list: readonly A[], others: readonly B[]) => readonly C[] {
  let last: { readonly list: readonly A[]; readonly others: readonly B[]; readonly answers: readonly C[] } | undefined;
  return (list, others) => {
    const before = last;
    let unchanged = before?.answers.length === list.length;
    const mapped = list.map((item, i) => {
      const [other, known] = [others[i] as B, before?.answers[i] as C];
      const isSame =
        before !== undefined && i < before.answers.length && before.list[i] === item && before.others[i] === other;
      const value = isSame ? known : answer(item, other);
      unchanged &&= value === known;
      return value;
    });
    const answers = before && unchanged ? before.answers : mapped;
    last = { list, others, answers };
    return answers;
  };
}

/** The same with a list as each answer, all joined. */
export function flattenedList<A, B>(answer: (item: A) => readonly B[]): (list: readonly A[]) => readonly B[] {
  const mapped = mappedList(answer);
  const known = new WeakMap<readonly (readonly B[])[], readonly B[]>();
  let last: WeakRef<readonly (readonly B[])[]> | undefined;
  return (list) => {
    const lists = mapped(list);
    const before = known.get(lists);
    if (before) return before;
    const previous = last?.deref();
    const joined = joinedFrom(previous ?? [], (previous && known.get(previous)) ?? [], lists);
    known.set(lists, joined);
    last = new WeakRef(lists);
    return joined;
  };
}

function joinedFrom<B>(
  previous: readonly (readonly B[])[],
  joined: readonly B[],
  lists: readonly (readonly B[])[],
): readonly B[] {
  const { start, tail } = commonEnds(previous, lists);
  const count = (some: readonly (readonly B[])[]) => some.reduce((sum, { length }) => sum + length, 0);
  const middle: B[] = [];
  for (const list of lists.slice(start, lists.length - tail)) for (const item of list) middle.push(item);
  return spliced(joined, count(lists.slice(0, start)), middle, count(lists.slice(lists.length - tail)));
}

/** What two lists of objects differ in, each as often as it differs. */
export interface ListDifference<T> {
  readonly added: readonly T[];
  readonly removed: readonly T[];
}

/** How far one list is looked through for where the other goes on. */
const LOOK_AHEAD = 64;

/**
 * Compares by identity (of text, by what it says). What both have in the same order, as found by one walk along both, is in neither answer; what
 * has moved may be in both.
 */
export function listDifference<T>(before: readonly T[], now: readonly T[]): ListDifference<T> {
  const { start, tail } = commonEnds(before, now);
  const [lastBefore, lastNow] = [before.length - tail, now.length - tail];
  const added: T[] = [];
  const removed: T[] = [];
  let [i, j] = [start, start];
  while (i < lastBefore && j < lastNow) {
    if (before[i] === now[j]) {
      i++;
      j++;
      continue;
    }
    const [further, along] = meeting(before, i, lastBefore, now, j, lastNow);
    if (further === undefined || along === undefined) break;
    removed.push(...before.slice(i, further));
    added.push(...now.slice(j, along));
    [i, j] = [further, along];
  }
  for (; i < lastBefore; i++) removed.push(before[i] as T);
  for (; j < lastNow; j++) added.push(now[j] as T);
  return { added, removed };
}

/** The nearest place before the ends from which both go on alike, as a pair of indexes. */
function meeting<T>(
  a: readonly T[],
  i: number,
  endOfA: number,
  b: readonly T[],
  j: number,
  endOfB: number,
): [number, number] | [] {
  for (let distance = 1; distance <= LOOK_AHEAD; distance++) {
    for (let step = 0; step <= distance; step++) {
      const [x, y] = [i + step, j + distance - step];
      if (x < endOfA && y < endOfB && a[x] === b[y]) return [x, y];
    }
  }
  return [];
}
