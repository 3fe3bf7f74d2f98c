import { deferred } from '../../../../lib/async.js';
import type { Container } from '../container/container.js';
import { ContainerRoot } from '../container/root.js';
import type { Operations } from '../operations.js';
import { runningRoot } from '../processes.js';

export interface OpenRoot {
  readonly root: ContainerRoot;
  close(): void;
}

/**
 * A container's files: as its first process sees them, with all mounts, or its mounted root filesystem when it does
 * not run. Such a one is not started or removed until it is closed.
 */
export async function openRoot(
  container: Container,
  operations: Pick<Operations, 'mount' | 'unmount'>,
): Promise<OpenRoot> {
  const opened = deferred<OpenRoot>();
  const closed = deferred<void>();
  const hold = async () => {
    container.gone.signal.throwIfAborted();
    if (container.running) {
      const root = runningRoot(container);
      return opened.resolve({ root, close: () => root.close() });
    }
    await operations.mount(container);
    try {
      const root = new ContainerRoot(container.folder.rootfs);
      opened.resolve({ root, close: () => closed.resolve() });
      await closed.promise;
      root.close();
    } finally {
      // One that was never started waits for it, mounted; so does one whose next run is created.
      if (container.exit && !container.created) operations.unmount(container);
    }
  };
  container.serial.run(hold).catch(opened.reject);
  return opened.promise;
}
