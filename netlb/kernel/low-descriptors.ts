import { failedPrecondition } from '../../lib/errors.js';
import { close, duplicate, O_RDONLY, open } from './syscalls.js';

/** Values of select(2). */
const FD_SETSIZE = 1024;
/** One is needed; the others are for what other threads open in between. */
const RESERVED = 4;

/** Descriptors under FD_SETSIZE that stand for nothing. */
let reserved: number[] | undefined;

/**
 * Runs `fn` with the lowest descriptors free. libnftables waits for the kernel by select(2), and the C library
 * ends the process when that is given a descriptor of 1024 or more: a machine with hundreds of sandboxes, or
 * a manager with a thousand connections, has that many open. Some low ones are kept for it from the first call on.
 * @throws FAILED_PRECONDITION when there is none after all
 */
export function withLowDescriptor<T>(fn: () => T): T {
  reserved ??= reserve();
  for (const fd of reserved) close(fd);
  try {
    const lowest = open('/dev/null', O_RDONLY);
    close(lowest);
    if (lowest >= FD_SETSIZE)
      throw failedPrecondition(`nftables cannot be used: all descriptors below ${FD_SETSIZE} are in use`, {
        hint: 'Restart the daemon: what it has made stays.',
      });
    return fn();
  } finally {
    reserved = reserve();
  }
}

function reserve(): number[] {
  const first = open('/dev/null', O_RDONLY);
  const all = [first, ...Array.from({ length: RESERVED - 1 }, () => duplicate(first))];
  for (const fd of all) if (fd >= FD_SETSIZE) close(fd);
  return all.filter((fd) => fd < FD_SETSIZE);
}
