import { failedPrecondition } from '../../../lib/errors.js';
import { isKernelError } from '../../../netlb/kernel/errors.js';
import type { Container } from './container/container.js';
import { isAlive, parseSignal } from './container/process.js';
import { MonitoredStreams } from './runtime/streams.js';

/**
 * Streams of a container's first process: of this run, or the next when it does not run. The caller has seen to it
 * that no start is under way.
 * @throws FAILED_PRECONDITION when what monitored it is gone
 */
export function attach(container: Container, input: boolean): MonitoredStreams {
  const { tty, openStdin, stdinOnce } = container.prepared;
  const streams = new MonitoredStreams({
    tty,
    input: input && openStdin,
    inputEndsWithUs: openStdin && stdinOnce && !tty,
    signal: (name) => container.signal(parseSignal(name)),
    released: () => container.streams.delete(streams),
  });
  if (container.running) connect(container, streams);
  container.streams.add(streams);
  return streams;
}

function connect(container: Container, streams: MonitoredStreams): void {
  try {
    streams.connect(container.folder.path);
  } catch (error) {
    if (!isKernelError(error, 'ENOENT', 'ECONNREFUSED')) throw error;
    if (container.process && isAlive(container.process)) {
      throw failedPrecondition(`nobody can attach to container ${container.id}: its monitor was killed`, {
        value: container.id,
        hint: 'Restart the container.',
        cause: error,
      });
    }
    // It has just ended.
    streams.disconnected();
  }
}
