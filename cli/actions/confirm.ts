import type { Context } from '../context.js';

/** Asks for a `y` on standard input. */
export async function confirm(context: Context, warning: string): Promise<boolean> {
  context.io.out(`WARNING! ${warning}\nAre you sure you want to continue? [y/N] `);
  let answer = '';
  for await (const typed of context.io.stdin) {
    answer += Buffer.from(typed).toString();
    if (answer.includes('\n')) break;
  }
  return /^y(?:es)?$/i.test(answer.trim());
}
