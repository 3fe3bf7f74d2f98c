/**
 * What a long computation does for those who wait for the processor. Left alone it keeps one until a tick of the
 * kernel's (4 ms with CONFIG_HZ=250) takes it away, and requests of clients wait behind it that long.
 */
import { yieldProcessor } from './syscalls.js';

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
