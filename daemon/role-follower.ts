import type { Serial } from '../lib/async.js';
import { Backoff } from '../lib/backoff.js';
import type { Clock } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { type Node, NodeRole } from '../proto/gen/index.js';

export interface RoleFollowerOptions {
  /** Resolves when this machine has the role. Called again after a while when it throws. */
  readonly take: (role: 'manager' | 'worker') => Promise<void>;
  /** What it takes turns with: all that changes this machine's place in a swarm. */
  readonly serial: Serial;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Brings this machine to the role that the managers give its node, without a restart, and tries until it is done. */
export class RoleFollower {
  readonly #options: RoleFollowerOptions;
  /** Of the newest state of the node that was seen: one that was cut off may still tell of an older one. */
  #version = 0;
  #wanted: NodeRole | undefined;
  #running = false;
  #ended = false;
  #error = '';

  constructor(options: RoleFollowerOptions) {
    this.#options = options;
  }

  /** Why the role could not be taken yet; '' when it was. */
  get error(): string {
    return this.#error;
  }

  /** In a turn of its own: no role is taken after it. What the machine is next may be a node of another swarm. */
  end(): void {
    this.#ended = true;
  }

  see({ role, meta }: Node): void {
    if (meta.version < this.#version) return;
    this.#version = meta.version;
    this.#wanted = role;
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    const { take, serial, clock, log, signal } = this.#options;
    const backoff = new Backoff({ initial: 100, max: 5_000 });
    this.#running = true;
    for (let taken: NodeRole | undefined; taken !== this.#wanted && !this.#ended && !signal.aborted; ) {
      const wanted = this.#wanted;
      const name = wanted === NodeRole.MANAGER ? 'manager' : 'worker';
      try {
        await serial.run(async () => {
          if (!this.#ended) await take(name);
        });
        taken = wanted;
        this.#error = '';
      } catch (error) {
        this.#error = `cannot become a ${name} yet: ${messageOf(error)}`;
        log.warn({ err: error }, this.#error);
        await clock.sleep(backoff.next(), signal).catch(() => undefined);
      }
    }
    this.#running = false;
  }
}
