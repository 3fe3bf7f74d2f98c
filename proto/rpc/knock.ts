import { connect } from 'node:net';
import { errnoOf, messageOf, unavailable } from '../../lib/errors.js';

/**
 * Resolves when a server at the target shows that it is alive: over plain TCP, HTTP/2 servers speak
 * first (RFC 9113, 3.4). A connection alone says little: a machine's kernel accepts it for a process
 * that is frozen, too.
 *
 * gRPC gives up an attempt to connect only when the kernel does, after minutes, and a channel that is
 * closed before keeps its socket. After a knock a channel connects at once, and a knock in vain leaves
 * nothing behind.
 * @param target as a Channel's
 * @throws UNAVAILABLE, with the system's error as cause; what the signal was aborted with
 */
export function knock(target: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const socket = connect(destination(target));
    const settle = (end: () => void) => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      end();
    };
    const onAbort = () => settle(() => reject(signal.reason));
    signal.addEventListener('abort', onAbort);
    socket.once('data', () => settle(resolve));
    socket.once('end', () =>
      settle(() => reject(unavailable(`${target} closes connections at once`, { value: target }))),
    );
    socket.once('error', (cause) =>
      settle(() => reject(unavailable(wordsFor(cause, target), { value: target, cause }))),
    );
  });
}

/** Whether the machine itself answered that nobody listens there: the process is gone. */
export function refusesConnections(error: unknown): boolean {
  const errno = errnoOf((error as { cause?: unknown } | null)?.cause);
  return errno === 'ECONNREFUSED' || errno === 'ENOENT';
}

function wordsFor(error: Error, target: string): string {
  return refusesConnections({ cause: error }) ? `nobody listens at ${target}` : `${target}: ${messageOf(error)}`;
}

function destination(target: string): { path: string } | { host: string; port: number } {
  if (target.startsWith('unix:')) return { path: target.replace(/^unix:(\/\/)?/, '') };
  const colon = target.lastIndexOf(':');
  const host = target.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(target.slice(colon + 1)) };
}
