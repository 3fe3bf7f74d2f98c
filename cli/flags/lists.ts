import { type Flags, inFlag } from './flags.js';
import { parsePair } from './values.js';

/** How a list of a spec is edited: create has `--NAME`, update has `--NAME-add` and `--NAME-rm`. */
export interface ListEdit<T> {
  /** Parses one value of `--NAME` or `--NAME-add`. */
  readonly parse: (text: string) => T | readonly T[];
  /** Items with the same key replace each other. */
  readonly key: (item: T) => string;
  /** What a value of `--NAME-rm` takes away; by key when left out. */
  readonly removes?: (text: string) => (item: T) => boolean;
}

/** The list after the flags: removals first, then additions, which replace items of their key. */
export function editList<T>(current: readonly T[], flags: Flags, name: string, edit: ListEdit<T>): readonly T[] {
  const removes = edit.removes ?? ((text: string) => (item: T) => edit.key(item) === text);
  const removed = flags.each(`${name}-rm`, removes);
  const parse = (flag: string) => flags.list(flag).flatMap((value) => inFlag(flag, value, edit.parse) as T | T[]);
  const added = [...parse(name), ...parse(`${name}-add`)];
  if (removed.length === 0 && added.length === 0) return current;
  const kept = current.filter((item) => !removed.some((matches) => matches(item)));
  return [...new Map([...kept, ...added].map((item) => [edit.key(item), item] as const)).values()];
}

/** The same for a list of plain strings, which are their own keys. */
export function editStrings(
  current: readonly string[],
  flags: Flags,
  name: string,
  parse: (text: string) => string = (text) => text,
): readonly string[] {
  return editList(current, flags, name, { parse, key: (item) => item });
}

/** The same for a map: `--NAME key=value`, `--NAME-rm key`. */
export function editRecord(
  current: Readonly<Record<string, string>>,
  flags: Flags,
  name: string,
): Readonly<Record<string, string>> {
  const pairs = editList<readonly [string, string]>(Object.entries(current), flags, name, {
    parse: (text) => [parsePair(text)],
    key: ([key]) => key,
  });
  return Object.fromEntries(pairs);
}
