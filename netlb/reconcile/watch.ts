import type { Clock } from '../../lib/clock.js';
import { NetNamespace } from '../kernel/namespace.js';
import { type RouteEvent, subscribeRoutes } from '../kernel/rtnetlink.js';
import { LINK_GROUP } from '../names.js';

/** Milliseconds after a notification in which more may come: one look answers them all. */
const SETTLE = 300;

/**
 * Says when to look for drift: at an interval, and soon after the kernel tells of a link of ours or an address
 * that changed in the node's namespace, and was not changed by a pass of our own. What changes elsewhere is
 * found at the interval.
 */
export class DriftWatch {
  readonly #clock: Clock;
  /** Milliseconds between two looks. */
  readonly interval: number;
  /** Until when notifications are of our own doing. */
  #ownUntil = 0;
  #wake: (() => void) | undefined;

  constructor(clock: Clock, interval: number) {
    this.#clock = clock;
    this.interval = interval;
  }

  /** A pass of our own: the notifications that it causes are no drift. */
  async own<T>(pass: () => Promise<T>): Promise<T> {
    this.#ownUntil = Number.POSITIVE_INFINITY;
    try {
      return await pass();
    } finally {
      this.#ownUntil = this.#clock.monotonic() + SETTLE;
    }
  }

  /** Calls `look` again and again, never twice at a time, until the signal aborts. */
  async run(signal: AbortSignal, look: () => Promise<void>): Promise<void> {
    const subscription = subscribeRoutes(NetNamespace.self(), ['link', 'ipv4Address', 'ipv6Address'], (events) => {
      if (this.#clock.monotonic() > this.#ownUntil && events.some(concernsUs)) this.#wake?.();
    });
    try {
      while (!signal.aborted) {
        await this.#pause(signal);
        if (!signal.aborted) await look();
      }
    } finally {
      subscription.close();
    }
  }

  /** Until the interval is over, or a little after something happened, or the signal aborts. */
  #pause(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        cancel();
        this.#wake = undefined;
        signal.removeEventListener('abort', finish);
        resolve();
      };
      let cancel = this.#clock.after(this.interval, finish);
      this.#wake = () => {
        this.#wake = undefined;
        cancel();
        cancel = this.#clock.after(SETTLE, finish);
      };
      signal.addEventListener('abort', finish, { once: true });
    });
  }
}

function concernsUs(event: RouteEvent): boolean {
  if (event.kind === 'overflow' || event.kind === 'address') return true;
  return event.kind === 'link' && (event.gone || event.link.group === LINK_GROUP);
}
