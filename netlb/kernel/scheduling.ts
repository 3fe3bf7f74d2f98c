/**
 * What a long computation does for those who wait for the processor. Left alone it keeps one until a tick of the
 * kernel's (4 ms with CONFIG_HZ=250) takes it away, and requests of clients wait behind it that long.
 */
import { isKernelError } from './errors.js';
import { schedulingAttributes, setSchedulingAttributes, yieldProcessor } from './syscalls.js';

/** Milliseconds. */
const STRETCH = 0.5;

/**
 * A function to be called often: once half a millisecond has gone by it has the processor given to whoever waits for it.
 * @param now in milliseconds
 */
export function givingWay(giveProcessor: () => void, now: () => number): () => void {
  let since = now();
  return () => {
    if (now() - since < STRETCH) return;
    giveProcessor();
    since = now();
  };
}

/** That of the calling thread. */
export const giveWay = givingWay(yieldProcessor, () => performance.now());

const SCHED_OTHER = 0;
const SCHED_FLAG_RESET_ON_FORK = 1n;
/** Offsets in struct sched_attr. */
const [POLICY, FLAGS, RUNTIME] = [4, 8, 24];
/** Nanoseconds. */
const SLICE = 300_000n;

/**
 * Shortens the turns that the kernel gives to the calling thread (Linux 6.12; older ones ignore it): who has given the
 * processor away gets it back after a short turn's worth of time, not after a whole one's. Processes and threads that it
 * starts have turns as all have. A thread that somebody has put under another policy stays as it is.
 */
export function shortenTurns(): void {
  try {
    const attributes = schedulingAttributes();
    if (attributes?.readUInt32LE(POLICY) !== SCHED_OTHER) return;
    attributes.writeBigUInt64LE(attributes.readBigUInt64LE(FLAGS) | SCHED_FLAG_RESET_ON_FORK, FLAGS);
    attributes.writeBigUInt64LE(SLICE, RUNTIME);
    setSchedulingAttributes(attributes);
  } catch (error) {
    // Where the kernel, or a filter of system calls, has nothing of it, turns stay as they are.
    if (!isKernelError(error, 'ENOSYS', 'EPERM', 'EINVAL')) throw error;
  }
}
