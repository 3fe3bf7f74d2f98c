import { processIo } from './io.js';
import { run } from './run.js';

run(process.argv.slice(2), processIo()).then(async (code) => {
  await Promise.all([process.stdout, process.stderr].map(written));
  // Not `process.exitCode`: a keep-alive timer or an open socket must not hold a finished command.
  process.exit(code);
});

/** Resolves when its reader has all: of a socket, as a program that has started us may use, much may be waiting still. */
function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}
