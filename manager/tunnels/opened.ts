import { invalidArgument } from '../../lib/errors.js';

/** A caller's stream whose first message is known. */
export class Opened<T> {
  readonly first: T;
  readonly #rest: AsyncIterator<T>;

  private constructor(first: T, rest: AsyncIterator<T>) {
    this.first = first;
    this.#rest = rest;
  }

  /** @throws INVALID_ARGUMENT for an empty stream */
  static async read<T>(messages: AsyncIterable<T>): Promise<Opened<T>> {
    const rest = messages[Symbol.asyncIterator]();
    const first = await rest.next();
    if (first.done) throw unopened();
    return new Opened(first.value, rest);
  }

  async *map<U>(change: (message: T) => U): AsyncGenerator<U> {
    yield change(this.first);
    for (let next = await this.#rest.next(); !next.done; next = await this.#rest.next()) yield change(next.value);
  }
}

export const unopened = () => invalidArgument('the first message must say what is opened');
