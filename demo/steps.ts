/** Times steps and says what happens while it happens. */
export class Steps {
  readonly #started = performance.now();
  readonly #timings: { readonly title: string; readonly seconds: number }[] = [];

  async run<T>(title: string, work: () => Promise<T>): Promise<T> {
    say(`\n\u001b[1m==> ${title}\u001b[0m`);
    const start = performance.now();
    const result = await work();
    this.#timings.push({ title, seconds: (performance.now() - start) / 1000 });
    return result;
  }

  /** All steps with their times, and the whole. */
  summary(): string {
    const rows = [...this.#timings, { title: 'all', seconds: (performance.now() - this.#started) / 1000 }];
    return rows.map(({ title, seconds }) => `${seconds.toFixed(1).padStart(6)} s  ${title}`).join('\n');
  }
}

export function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Shows a command before its output, as one would type it. */
export function sayCommand(command: string): void {
  say(`\u001b[2m$ ${command}\u001b[0m`);
}

/** Rows under a head, columns aligned. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  return all
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}

/**
 * Waits until `probe` gives a value; asks again and again.
 * @throws when it has not by the deadline
 */
export async function until<T>(what: string, seconds: number, probe: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error(`not within ${seconds} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
