import type { Command } from 'commander';
import type { Context } from '../context.js';

export function registerCompletion(program: Command, context: Context): void {
  program
    .command('completion')
    .description('Print a script that completes command lines in a shell')
    .argument('<shell>', 'bash, zsh or fish')
    .action(async (shell: string) => {
      const { completionScript } = await import('../completion/scripts.js');
      context.io.out(completionScript(shell));
    });

  // What the scripts call: the words typed so far, the last one to be completed.
  program
    .command('__complete', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (words: string[]) => {
      const { complete } = await import('../completion/complete.js');
      const lines = await complete(program, words, context);
      context.io.out(lines.map((line) => `${line}\n`).join(''));
    });
}
