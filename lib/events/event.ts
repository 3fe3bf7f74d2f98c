/** Something that has happened to an object, in Docker's words. */
export interface Happening {
  /** `service`, `task`, `container` … */
  readonly type: string;
  /** `create`, `update`, `die` … */
  readonly action: string;
  /** Of the object. */
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** A happening with its place in a ring. */
export interface Event extends Happening {
  /** From 1, without a gap. */
  readonly sequence: number;
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  /** Nanoseconds within that millisecond. */
  readonly timeNs: number;
  readonly scope: string;
}

/** The newest event that is known no more; zeros while all are known. */
export interface Horizon {
  readonly sequence: number;
  /** Of the newest of these by the clock. */
  readonly timeMs: number;
}

/** Longer values, such as the words of an error, are cut: an event is a line. */
const LONGEST_VALUE = 512;

/** Attributes in the making: those that are empty or not given are left out. */
export class Attributes {
  readonly values: Record<string, string> = {};

  set(key: string, value: string | number | undefined): this {
    if (value === undefined || value === '') return this;
    const text = typeof value === 'string' ? value : String(value);
    this.values[key] = text.length > LONGEST_VALUE ? `${text.slice(0, LONGEST_VALUE - 1)}…` : text;
    return this;
  }

  /** Docker's `what.old` and `what.new`, where they differ. */
  change<T extends string | number | boolean>(
    what: string,
    old: T | undefined,
    now: T | undefined,
    word: (value: T) => string = String,
  ): this {
    if (old === now) return this;
    if (old !== undefined) this.set(`${what}.old`, word(old));
    if (now !== undefined) this.set(`${what}.new`, word(now));
    return this;
  }
}
