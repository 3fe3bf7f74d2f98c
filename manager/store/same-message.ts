import { encodeObject } from './codec.js';
import type { Kind, ObjectTypes } from './store.js';

/**
 * Whether the log cannot tell two objects apart: what is compared in the end is their encoding, in which
 * 0.1 and the float32 nearest to it are one. Most need not be encoded for it, since a changed object shares
 * the unchanged parts of the stored one, and differs in something that no encoding makes equal.
 */
export function sameMessage<K extends Kind>(kind: K, a: ObjectTypes[K], b: ObjectTypes[K]): boolean {
  const verdict = compare(a, b);
  return verdict === UNKNOWN ? Buffer.compare(encodeObject(kind, a), encodeObject(kind, b)) === 0 : verdict === SAME;
}

type Verdict = typeof SAME | typeof DIFFERENT | typeof UNKNOWN;
const SAME = 0;
const DIFFERENT = 1;
/** Only the encoding can tell. */
const UNKNOWN = 2;

/** Integers below it are themselves as float32, too. */
const EXACT = 2 ** 24;

function compare(a: unknown, b: unknown): Verdict {
  if (a === b) return SAME;
  if (typeof a !== typeof b || a === null || b === null) return UNKNOWN;
  if (typeof a === 'number') return compareNumbers(a, b as number);
  if (typeof a !== 'object') return DIFFERENT;
  if (a instanceof Uint8Array) return b instanceof Uint8Array ? verdictOf(Buffer.compare(a, b) === 0) : UNKNOWN;
  if (Array.isArray(a)) return Array.isArray(b) ? compareLists(a, b) : UNKNOWN;
  return compareFields(a as Fields, b as Fields);
}

function compareNumbers(a: number, b: number): Verdict {
  const exact = Number.isInteger(a) && Number.isInteger(b) && Math.abs(a) < EXACT && Math.abs(b) < EXACT;
  return exact ? DIFFERENT : UNKNOWN;
}

function compareLists(a: readonly unknown[], b: readonly unknown[]): Verdict {
  if (a.length !== b.length) return DIFFERENT;
  let all: Verdict = SAME;
  for (let i = 0; i < a.length; i++) {
    const verdict = compare(a[i], b[i]);
    if (verdict === DIFFERENT) return DIFFERENT;
    if (verdict === UNKNOWN) all = UNKNOWN;
  }
  return all;
}

type Fields = Readonly<Record<string, unknown>>;

/** Fields in another order, or not the same ones, are left to the encoding. */
function compareFields(a: Fields, b: Fields): Verdict {
  let all: Verdict = SAME;
  const names = Object.keys(b);
  let at = 0;
  for (const name in a) {
    if (names[at++] !== name) all = UNKNOWN;
    const verdict = compare(a[name], b[name]);
    if (verdict === DIFFERENT) return DIFFERENT;
    if (verdict === UNKNOWN) all = UNKNOWN;
  }
  return at === names.length ? all : UNKNOWN;
}

const verdictOf = (same: boolean): Verdict => (same ? SAME : DIFFERENT);
