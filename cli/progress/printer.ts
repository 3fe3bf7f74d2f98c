import { oneLine } from '../format/printable.js';
import type { Io } from '../io.js';
import { activeLine, barLines, failureLines, overallLine, plainLines } from './bars.js';
import type { ProgressView } from './progress.js';

/** Where progress goes: a terminal, lines, or nowhere. */
export interface ProgressPrinter {
  show(view: ProgressView): void;
  /** A last or a passing line, as `verify: …`. */
  say(line: string): void;
}

export function progressPrinter(io: Pick<Io, 'out' | 'columns'>, quiet: boolean): ProgressPrinter {
  if (quiet) return { show: () => undefined, say: () => undefined };
  return io.columns === undefined ? new LinePrinter(io) : new TerminalPrinter(io, io.columns);
}

/** Draws all lines anew in place. */
class TerminalPrinter implements ProgressPrinter {
  readonly #io: Pick<Io, 'out'>;
  readonly #columns: number;
  #drawn: readonly string[] = [];
  #lines: readonly string[] = [];

  constructor(io: Pick<Io, 'out'>, columns: number) {
    this.#io = io;
    this.#columns = columns;
  }

  show(view: ProgressView): void {
    const notice = view.notice === undefined ? [] : [view.notice];
    const active = activeLine(view);
    this.#lines = [overallLine(view), ...(active === undefined ? [] : [active]), ...notice, ...barLines(view)];
    this.#draw(this.#lines);
  }

  say(line: string): void {
    this.#draw([...this.#lines, line]);
  }

  #draw(lines: readonly string[]): void {
    const up = this.#drawn.length > 0 ? `\x1b[${this.#drawn.length}A` : '';
    // A line that wraps would be counted as one and leave rubbish behind.
    const cut = lines.map((line) => `\x1b[2K${oneLine(line).slice(0, this.#columns - 1)}\n`).join('');
    this.#io.out(`${up}${cut}\x1b[J`);
    this.#drawn = lines;
  }
}

/** Prints a line when it changes. */
class LinePrinter implements ProgressPrinter {
  readonly #io: Pick<Io, 'out'>;
  readonly #last = new Map<string, string>();

  constructor(io: Pick<Io, 'out'>) {
    this.#io = io;
  }

  show(view: ProgressView): void {
    this.#changed('overall', overallLine(view));
    const active = activeLine(view);
    if (active !== undefined) this.#changed('active', active);
    if (view.notice !== undefined) this.#changed('notice', view.notice);
    for (const line of failureLines(view)) this.#changed(`failure of ${labelOf(line)}`, line);
    for (const line of plainLines(view)) this.#changed(labelOf(line), line);
  }

  say(line: string): void {
    this.#io.out(`${line}\n`);
  }

  #changed(key: string, line: string): void {
    if (this.#last.get(key) === line) return;
    this.#last.set(key, line);
    this.#io.out(`${oneLine(line)}\n`);
  }
}

function labelOf(line: string): string {
  return line.split(':', 1)[0] ?? '';
}
