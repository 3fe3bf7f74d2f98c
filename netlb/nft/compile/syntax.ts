/** Words of a command. Pure. */

/** A command has words that are none of those that rules of ours are made of. A mistake of who wrote it. */
export class NftSyntaxError extends Error {
  override readonly name = 'NftSyntaxError';
}

/** A quoted text, a word, in which commas and colons may be, or a comma or semicolon after one. */
const TOKEN = /\s*("[^"]*"|[^\s,;]+(?:,[^\s,;]+)*|[,;])/y;

/** Reads a command word by word. */
export class Words {
  readonly #text: string;
  #position = 0;
  #next: string | undefined;
  #after = 0;

  constructor(text: string) {
    this.#text = text;
    this.#advance();
  }

  #advance(): void {
    TOKEN.lastIndex = this.#position;
    const match = TOKEN.exec(this.#text);
    this.#next = match?.[1];
    this.#after = match ? TOKEN.lastIndex : this.#text.length;
  }

  /** The word that comes, without taking it; undefined at the end. */
  get next(): string | undefined {
    return this.#next;
  }

  /** Takes the next word. @param what it should be, in words @throws NftSyntaxError at the end */
  take(what: string): string {
    const word = this.#next;
    if (word === undefined) throw new NftSyntaxError(`${what} is missing at the end`);
    this.#position = this.#after;
    this.#advance();
    return word;
  }

  /** Takes the next word if it is this one. */
  accept(word: string): boolean {
    if (this.#next !== word) return false;
    this.take(word);
    return true;
  }

  /** Takes the next words if they are these, all of them. */
  startWith(...wanted: readonly string[]): boolean {
    const [position, next, after] = [this.#position, this.#next, this.#after];
    if (wanted.every((word) => this.accept(word))) return true;
    [this.#position, this.#next, this.#after] = [position, next, after];
    return false;
  }

  /** @throws NftSyntaxError when another word comes */
  expect(word: string): void {
    if (!this.accept(word)) throw new NftSyntaxError(`"${word}" is expected, not ${this.rest()}`);
  }

  /** A text in quotes, without them. @throws NftSyntaxError */
  quoted(what: string): string {
    const word = this.take(what);
    if (!word.startsWith('"')) throw new NftSyntaxError(`${what} is expected in quotes, not ${word}`);
    return word.slice(1, -1);
  }

  /** What is between braces, which come next: its items. None is nested. @throws NftSyntaxError */
  items(): string[] {
    if (this.#next !== '{') throw new NftSyntaxError(`"{" is expected, not ${this.rest()}`);
    const end = this.#text.indexOf('}', this.#after);
    if (end < 0) throw new NftSyntaxError('"}" is missing at the end');
    const items = this.#text.slice(this.#after, end).trim().split(', ');
    this.#position = end + 1;
    this.#advance();
    return items;
  }

  /** What comes, for an error's words. */
  rest(): string {
    return this.#next === undefined ? 'the end' : `"${this.#text.slice(this.#position).trim()}"`;
  }

  /** @throws NftSyntaxError when there is more */
  end(): void {
    if (this.#next !== undefined) throw new NftSyntaxError(`nothing is expected, not ${this.rest()}`);
  }
}
