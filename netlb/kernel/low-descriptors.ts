import { failedPrecondition } from '../../lib/errors.js';
import { close, O_RDONLY, open } from './syscalls.js';

/** Values of select(2). */
const FD_SETSIZE = 1024;
/** Of a run, one for libnftables' socket: what is free just then, other threads may take, and keep. */
const FREED = 2;
/** So that many may be lost to them before there is none. What they give back is kept again. */
const RESERVED = 64;

/** Descriptors under FD_SETSIZE that stand for nothing. */
const reserved: number[] = [];

/**
 * Runs `fn` with the lowest descriptors free. libnftables waits for the kernel by select(2), and the C library
 * ends the process when that is given a descriptor of 1024 or more: a machine with hundreds of sandboxes, or
 * a manager with a thousand connections, has that many open. Some low ones are kept for it from the first call on.
 * @throws FAILED_PRECONDITION when there is none after all
 */
export function withLowDescriptor<T>(fn: () => T): T {
  reserve();
  for (const fd of reserved.splice(-FREED)) close(fd);
  try {
    const lowest = open('/dev/null', O_RDONLY);
    close(lowest);
    if (lowest >= FD_SETSIZE)
      throw failedPrecondition(`nftables cannot be used: all descriptors below ${FD_SETSIZE} are in use`, {
        hint: 'Restart the daemon: what it has made stays.',
      });
    return fn();
  } finally {
    reserve();
  }
}

function reserve(): void {
  while (reserved.length < RESERVED) {
    const fd = open('/dev/null', O_RDONLY);
    if (fd >= FD_SETSIZE) {
      close(fd);
      return;
    }
    reserved.push(fd);
  }
}
