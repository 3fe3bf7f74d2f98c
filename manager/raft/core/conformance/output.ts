import type { RaftLogger } from '../logger.js';
import { DirectiveError } from './datadriven.js';

const levels = ['DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL', 'NONE'] as const;
const none = levels.length - 1;

/** What a directive prints: what was written to it, and the log lines of the nodes, in order. */
export class Output implements RaftLogger {
  #text = '';
  #level = 0;

  get text(): string {
    return this.#text;
  }

  /** At this level nothing is printed at all, not even what is written directly. */
  get quiet(): boolean {
    return this.#level === none;
  }

  get level(): number {
    return this.#level;
  }

  reset(): void {
    this.#text = '';
  }

  restoreLevel(level: number): void {
    this.#level = level;
  }

  /** @throws DirectiveError when there is no such level */
  setLevel(name: string): void {
    const level = levels.findIndex((l) => l.toLowerCase() === name.toLowerCase());
    if (level < 0) throw new DirectiveError(`log levels must be either of [${levels.join(' ')}]`);
    this.#level = level;
  }

  write(text: string): void {
    if (!this.quiet) this.#text += text;
  }

  /** Indents what is printed meanwhile; every line of it then ends with a line feed. */
  indented(print: () => void): void {
    const before = this.#text;
    this.#text = '';
    try {
      print();
    } finally {
      const lines = this.#text.replace(/\n$/, '').split('\n');
      this.#text = before + (this.#text === '' ? '' : lines.map((line) => `  ${line}\n`).join(''));
    }
  }

  debug(line: string): void {
    this.#log(0, line);
  }

  info(line: string): void {
    this.#log(1, line);
  }

  warn(line: string): void {
    this.#log(2, line);
  }

  error(line: string): void {
    this.#log(3, line);
  }

  #log(level: number, line: string): void {
    if (this.#level <= level) this.write(`${levels[level]} ${line}\n`);
  }
}
