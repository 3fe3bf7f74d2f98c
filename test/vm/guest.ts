/**
 * The process that runs the project's test files, in the virtual machine where there is one: vitest's own worker,
 * which speaks with vitest through descriptor 3. Modules come through it too, transformed.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { init, runBaseTests, setupEnvironment } from 'vitest/worker';
import { frame, Unframer } from './wire.js';

type Listener = (message: unknown) => void;

const listeners = new Set<Listener>();
const unframer = new Unframer();
const output = createWriteStream('', { fd: 3, autoClose: false });

const end = process.exit.bind(process); // vitest puts another in its place

init({
  post: (message) => output.write(frame(message)),
  on: (listener: Listener) => listeners.add(listener),
  off: (listener: Listener) => listeners.delete(listener),
  runTests: (state, traces) => runBaseTests('run', state, traces),
  collectTests: (state, traces) => runBaseTests('collect', state, traces),
  setup: setupEnvironment,
});

createReadStream('', { fd: 3, autoClose: false })
  .on('data', (piece) => {
    for (const message of unframer.push(piece as Buffer)) for (const listener of listeners) listener(message);
  })
  .on('close', () => end());

// Node would wait for the reading of descriptor 3 to end.
process.on('exit', () => process.kill(process.pid, 'SIGKILL'));
