/**
 * Interns tuples of a fixed number of 32-bit integers: equal tuples have one number, counted from 0
 * in the order of their first appearance. Exact, and small: a visited state costs a few words.
 */
export class TupleTable {
  readonly #width: number;
  #tuples: Int32Array;
  /** Open addressing with linear probing: number + 1 of a tuple, or 0. At most half full. */
  #slots: Int32Array;
  #size = 0;

  constructor(width: number, capacity = 1 << 10) {
    this.#width = width;
    this.#tuples = new Int32Array(capacity * width);
    this.#slots = new Int32Array(capacity * 2);
  }

  get size(): number {
    return this.#size;
  }

  /** The tuple's number; it is new when that equals what `size` was before. */
  add(tuple: Int32Array): number {
    if ((this.#size + 1) * 2 > this.#slots.length) this.#grow();
    const slot = this.#find(tuple);
    const found = (this.#slots[slot] ?? 0) - 1;
    if (found >= 0) return found;
    this.#tuples.set(tuple, this.#size * this.#width);
    this.#slots[slot] = ++this.#size;
    return this.#size - 1;
  }

  /** Copies the tuple of this number. */
  read(number: number, into: Int32Array): void {
    const at = number * this.#width;
    for (let i = 0; i < this.#width; i++) into[i] = this.#tuples[at + i] ?? 0;
  }

  #find(tuple: Int32Array): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash(tuple) & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] ?? 0;
      if (entry === 0 || this.#equals(entry - 1, tuple)) return slot;
    }
  }

  #equals(number: number, tuple: Int32Array): boolean {
    const at = number * this.#width;
    for (let i = 0; i < this.#width; i++) if (this.#tuples[at + i] !== tuple[i]) return false;
    return true;
  }

  #grow(): void {
    const tuples = new Int32Array(this.#tuples.length * 2);
    tuples.set(this.#tuples);
    this.#tuples = tuples;
    this.#slots = new Int32Array(this.#slots.length * 2);
    const tuple = new Int32Array(this.#width);
    for (let number = 0; number < this.#size; number++) {
      this.read(number, tuple);
      this.#slots[this.#find(tuple)] = number + 1;
    }
  }
}

/** A multiply-and-mix over all words: neighbouring tuples must not fall into neighbouring slots. */
function hash(tuple: Int32Array): number {
  let h = 0;
  for (const word of tuple) {
    h = Math.imul(h ^ word, 0x9e3779b1);
    h ^= h >>> 15;
  }
  h = Math.imul(h, 0x85ebca6b);
  return h ^ (h >>> 13);
}
