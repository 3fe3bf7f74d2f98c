import type { Clock } from '../../lib/clock.js';
import { codeOf, type ErrorCode, SwarmError, unavailable } from '../../lib/errors.js';
import { AttachmentsService, type AttachNetworkRequest, type AttachNetworkResponse } from '../../proto/gen/index.js';
import type { Channel, Stubs } from '../../proto/rpc/client.js';
import { untilAborted } from '../group.js';

export type AttachmentRequest = Omit<AttachNetworkRequest, 'sessionId'>;

/** Milliseconds that a call has, with the wait for a manager to answer it. */
const PATIENCE = 15_000;
/** Milliseconds for one manager's answer: longer than it waits for addresses itself. */
const RPC_TIMEOUT = 10_000;
/** Milliseconds before it is asked again. */
const PAUSE = 100;

/** Nothing, or perhaps nothing, was done by a manager that leads no more: another one can be asked. */
const AGAIN: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'UNKNOWN', 'DEADLINE_EXCEEDED']);

interface Link {
  readonly stubs: Stubs<typeof AttachmentsService>;
  readonly sessionId: string;
}

/**
 * Asks managers for endpoints in attachable networks, through whatever session the node has. Both calls can
 * be repeated, so they are, until a manager has answered or the time is over.
 */
export class AttachmentsClient {
  readonly #clock: Clock;
  #link: Link | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be called for as long as a session lasts: SessionNode.serve. Resolves when the signal aborts. */
  async serve(channel: Channel, sessionId: string, signal: AbortSignal): Promise<void> {
    const link = { stubs: channel.stubs(AttachmentsService), sessionId };
    this.#link = link;
    await untilAborted(signal);
    if (this.#link === link) this.#link = undefined;
  }

  /**
   * The attachment with its addresses, and its network. The same container and network again give the same one.
   * @throws NOT_FOUND, FAILED_PRECONDITION, INVALID_ARGUMENT, RESOURCE_EXHAUSTED with the manager's words
   * @throws UNAVAILABLE when no manager answers: it may have been made, and is found again by the next call
   */
  attach(request: AttachmentRequest, signal: AbortSignal): Promise<AttachNetworkResponse> {
    return this.#ask(({ stubs, sessionId }) => stubs.attach({ ...request, sessionId }, call(signal)), signal);
  }

  /** Succeeds when there is no such attachment. @throws UNAVAILABLE when no manager answers */
  async detach(taskId: string, signal: AbortSignal): Promise<void> {
    await this.#ask(({ stubs, sessionId }) => stubs.detach({ taskId, sessionId }, call(signal)), signal);
  }

  async #ask<T>(ask: (link: Link) => Promise<T>, signal: AbortSignal): Promise<T> {
    const deadline = this.#clock.monotonic() + PATIENCE;
    for (;;) {
      const link = this.#link;
      try {
        if (!link) throw unavailable('no manager of the swarm answers this node');
        return await ask(link);
      } catch (error) {
        if (signal.aborted || this.#clock.monotonic() >= deadline || !mayRepeat(error, link)) throw error;
      }
      await this.#clock.sleep(PAUSE, signal).catch(() => undefined);
    }
  }
}

/** Also when the manager does not know the session: the node is about to begin another one. */
function mayRepeat(error: unknown, link: Link | undefined): boolean {
  return AGAIN.has(codeOf(error)) || (error instanceof SwarmError && error.value === link?.sessionId);
}

const call = (signal: AbortSignal) => ({ signal, timeout: RPC_TIMEOUT });
