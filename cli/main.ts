import { processIo } from './io.js';
import { run } from './run.js';

// Not `process.exitCode`: a keep-alive timer or an open socket must not hold a finished command.
// Output to files, pipes and terminals is written synchronously, so nothing of it is lost.
process.exit(await run(process.argv.slice(2), processIo()));
