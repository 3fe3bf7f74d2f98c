import type { HardState, Message } from '../core/types.js';

/**
 * What lies between the core and the world. A sound one changes nothing; a broken one stands for a
 * bug around the core, or in it, which the exploration must find.
 */
export interface Environment {
  /** A message that waits for a write is sent before it. */
  sendsEarly(m: Message): boolean;
  /** What a node finds of the hard state that it wrote when it starts again. */
  recovers(written: HardState): HardState;
  /** What arrives of a message. */
  delivers(m: Message): Message;
  /** What is written when a hard state is to be. */
  writes(state: HardState): HardState;
}

export const soundEnvironment: Environment = {
  sendsEarly: () => false,
  recovers: (written) => written,
  delivers: (m) => m,
  writes: (state) => state,
};
