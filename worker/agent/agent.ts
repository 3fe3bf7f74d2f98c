import { Backoff } from '../../lib/backoff.js';
import type { Clock } from '../../lib/clock.js';
import { codeOf, messageOf, SwarmError, unavailable } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { SessionMessage } from '../../proto/gen/index.js';
import { Channel, type KeepAlive } from '../../proto/rpc/client.js';
import type { NodeCredential } from '../../proto/rpc/credentials.js';
import { wasAnswered } from '../../proto/rpc/errors.js';
import { knock } from '../../proto/rpc/knock.js';
import { untilAborted } from '../group.js';
import { ManagerList } from './manager-list.js';
import { Session, type SessionNode } from './session.js';

export interface AgentOptions {
  /** host:port, the last known good one first. */
  readonly managers: readonly string[];
  readonly credential: NodeCredential;
  readonly node: SessionNode;
  readonly clock: Clock;
  readonly log: Logger;
  /** Every message of every session. */
  readonly onSession: (message: SessionMessage) => void;
  /** The managers that this node knows have changed, or another one of them answers: to be kept for the next start. */
  readonly onManagers: (addresses: readonly string[]) => void;
  /** Managers say that this node is not one of the swarm's. */
  readonly onRemoved: () => void;
  /** Another process runs as this node, and did so first. This one is not tried again: it must be started anew. */
  readonly onTwin: (error: unknown) => void;
}

/** What a manager answers a node that it does not know: NOT_FOUND, or a credential that proves nothing. */
const REMOVED: ReadonlySet<string> = new Set(['NOT_FOUND', 'UNAUTHENTICATED', 'PERMISSION_DENIED']);

/** A manager that answers none is dead: another one is asked. To managers they are signs that the node is there. */
const PINGS: KeepAlive = { interval: 5_000, timeout: 5_000 };
/**
 * What a manager takes at most, in milliseconds, to show that it is there. A machine without power refuses nothing: pings
 * must tell that a leader is gone, and then two managers in vain, and a third be asked, in the time for which another
 * leader waits for its nodes (START_GRACE of `manager/dispatcher`).
 */
const KNOCK_TIMEOUT = 2_000;

/** Holds a session with one manager after another, for as long as the node is in the swarm. */
export class Agent {
  readonly #options: AgentOptions;
  readonly #managers: ManagerList;
  readonly #backoff = new Backoff({ initial: 100, max: 8_000 });
  #session: Session | undefined;
  #sessionId = '';
  /** What `onManagers` was told last. */
  #told: readonly string[];
  #connected = false;
  #isTwin = false;
  /** By address, what came of asking since a session was lost. */
  readonly #failures = new Map<string, string>();

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#managers = new ManagerList(options.managers);
    this.#told = options.managers;
  }

  /** Whether a manager has answered and the session with it lasts. */
  get connected(): boolean {
    return this.#connected;
  }

  /** Why no manager serves this node, in words; empty while one does, and until each has been asked. */
  get trouble(): string {
    const { addresses } = this.#managers;
    if (this.#connected || !addresses.every((address) => this.#failures.has(address))) return '';
    const reasons = addresses.map((address) => `${address} (${this.#failures.get(address)})`);
    return `No manager serves this node: ${reasons.join(', ')}. Its tasks go on as they are.`;
  }

  /** Whether this host:port is a manager's, as managers themselves say. */
  knows(manager: string): boolean {
    return this.#managers.addresses.includes(manager);
  }

  problemsChanged(): void {
    this.#session?.problemsChanged();
  }

  /** Resolves when the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    let hurried = false;
    while (!signal.aborted) {
      const address = this.#managers.first;
      const redirected = address !== undefined && (await this.#hold(address, signal));
      if (this.#isTwin) break;
      // The leader that one was told of is asked at once: but two may each say that the other leads, or it may refuse.
      hurried = redirected && !hurried;
      if (!hurried) await this.#options.clock.sleep(this.#backoff.next(), signal).catch(() => undefined);
    }
    await untilAborted(signal);
  }

  /** @returns whether it was told of another manager that leads */
  async #hold(address: string, signal: AbortSignal): Promise<boolean> {
    const { clock, log, node } = this.#options;
    const onMessage = (message: SessionMessage) => this.#answered(address, message);
    let channel: Channel | undefined;
    try {
      await this.#knock(address, signal);
      channel = new Channel(address, this.#options.credential, PINGS);
      this.#session = new Session({
        channel,
        pingPeriod: PINGS.interval,
        node,
        onMessage,
        resume: this.#sessionId,
        clock,
        log,
      });
      await this.#session.run(signal);
      return false;
    } catch (error) {
      if (signal.aborted) return false;
      log.warn({ manager: address, code: codeOf(error) }, `session: ${messageOf(error)}`);
      return this.#failed(address, error);
    } finally {
      this.#connected = false;
      this.#session = undefined;
      channel?.close();
    }
  }

  /** @throws UNAVAILABLE when nobody is there; the signal's reason */
  async #knock(address: string, signal: AbortSignal): Promise<void> {
    const attempt = new AbortController();
    const silent = () =>
      attempt.abort(unavailable(`it did not answer within ${KNOCK_TIMEOUT / 1000} s`, { value: address }));
    const cancel = this.#options.clock.after(KNOCK_TIMEOUT, silent);
    await knock(address, AbortSignal.any([signal, attempt.signal])).finally(cancel);
  }

  #answered(address: string, message: SessionMessage): void {
    const { log, onManagers, onSession } = this.#options;
    if (!this.#connected) {
      this.#connected = true;
      this.#sessionId = message.sessionId;
      this.#failures.clear();
      this.#backoff.reset();
      log.info({ manager: address, session: message.sessionId }, 'session opened');
    }
    this.#managers.replace(message.managers);
    const { addresses } = this.#managers;
    if (addresses.join() !== this.#told.join()) onManagers(addresses);
    this.#told = addresses;
    onSession(message);
  }

  /** @returns whether it was told of another manager that leads */
  #failed(address: string, error: unknown): boolean {
    this.#failures.set(address, messageOf(error));
    if (codeOf(error) === 'ALREADY_EXISTS') {
      this.#isTwin = true;
      this.#options.onTwin(error);
    }
    // The session is resumed only where its manager may still know it.
    if (codeOf(error) === 'FAILED_PRECONDITION') this.#sessionId = '';
    const leader = leaderIn(error);
    if (leader !== undefined && leader !== address) {
      this.#managers.prefer(leader);
      return true;
    }
    // One that has ended a session goes on with it. One that was lost may be without power: the others know who leads.
    if (this.#connected && wasAnswered(error)) return false;
    this.#managers.failed(address);
    if (REMOVED.has(codeOf(error))) this.#options.onRemoved();
    return false;
  }
}

/** host:port of the leader, when a manager that is none answers that another one is. */
function leaderIn(error: unknown): string | undefined {
  return error instanceof SwarmError && error.code === 'UNAVAILABLE' && wasAnswered(error) ? error.value : undefined;
}
