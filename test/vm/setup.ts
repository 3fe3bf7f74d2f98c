import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Begins to fetch what the machine needs while other projects are tested. What comes of it is told when it is
 * needed: prepare.sh waits for itself, and does nothing when all is there.
 */
export function setup(): void {
  spawn(fileURLToPath(new URL('prepare.sh', import.meta.url)), { stdio: 'ignore' }).unref();
}
