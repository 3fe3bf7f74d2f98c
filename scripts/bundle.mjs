/**
 * Puts tsswarmd and tsswarm into a few files each: loading hundreds of modules one by one takes twice the time, and a
 * daemon that is started again is away for so long. What is native, and finds its binary by its own place, stays in
 * node_modules.
 */

import { build } from 'rolldown';
import { CompiledModules } from '../dist/lib/compiled-modules.js';

const common = { platform: 'node', external: ['koffi'] };

// All files are in one folder, since the resolver's thread is found beside the module that starts it.
await build({
  ...common,
  input: { main: 'dist/daemon/main.js', thread: 'dist/netlb/dns/thread.js' },
  output: { dir: 'dist/tsswarmd', format: 'esm', chunkFileNames: '[name]-[hash].js', cleanDir: true },
});

// Modules of ECMAScript cannot be given code that is compiled already.
await build({
  ...common,
  input: { main: 'dist/cli/main.js', run: 'dist/cli/run.js' },
  output: {
    dir: 'dist/tsswarm',
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name]-[hash].cjs',
    cleanDir: true,
  },
});

/** What a command runs through until it finds no daemon is most of what every command does. */
const modules = new CompiledModules(new URL('../dist/tsswarm', import.meta.url).pathname);
const { run } = modules.load('run.cjs');
const said = [];
const io = {
  env: { TSSWARM_HOST: 'unix:///dev/null/none' },
  clock: { now: () => Date.now() },
  out: (text) => said.push(text),
  err: (text) => said.push(text),
};
for (const command of ['--help', '--version', 'ps', 'run --rm image', 'service ls', 'node ls']) {
  await run(command.split(' '), io);
}
modules.write();
