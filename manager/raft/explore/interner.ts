/** Gives things that are equal, as their keys say, one number, counted from 0. */
export class Interner<T> {
  readonly #things: T[] = [];
  readonly #numbers = new Map<string, number>();

  get size(): number {
    return this.#things.length;
  }

  get(number: number): T {
    const thing = this.#things[number];
    if (thing === undefined) throw new RangeError(`no thing has number ${number}`);
    return thing;
  }

  add(key: string, make: () => T): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.#things.length);
    this.#things.push(make());
    return this.#things.length - 1;
  }
}
