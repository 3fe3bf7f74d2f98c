import { internal, messageOf } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/log.js';
import { InvariantError, RaftError } from '../core/errors.js';
import type { RawNode } from '../core/raw-node.js';
import {
  isLocalTarget,
  LocalAppendThread,
  type Message,
  MsgType,
  type ReadState,
  type SoftState,
} from '../core/types.js';

/** What the engine's core asks for, each thing once and in this order. */
export interface EngineActions {
  /** To other members, at once. */
  send(messages: readonly Message[]): void;
  /** MsgStorageAppend: to be written; its responses are delivered by `deliver`. */
  append(message: Message): void;
  /** MsgStorageApply: to be applied; its responses likewise. */
  apply(message: Message): void;
  read(state: ReadState): void;
  /** Who leads has changed, or this node's role. */
  soft(state: SoftState): void;
  /** Before each input. */
  begin(): void;
  /** Nothing is left to be done. */
  settled(): void;
  /** The core contradicts itself or its storage: going on could lose what was acknowledged. */
  fatal(error: unknown): void;
}

/**
 * Drives the pure core: every input is followed at once by doing what the core is then ready for, so
 * that nothing is ever left waiting for a timer. Inputs that come while that goes on (an entry applied
 * at once) are taken into the same round.
 */
export class Engine {
  readonly #raw: RawNode;
  readonly #actions: EngineActions;
  readonly #log: Logger;
  #running = false;
  #stopped = false;

  constructor(raw: RawNode, actions: EngineActions, log: Logger) {
    this.#raw = raw;
    this.#actions = actions;
    this.#log = log;
  }

  /** @returns false when the core refuses, which is part of life: a proposal without a leader, a stranger's response */
  input(change: (raw: RawNode) => void): boolean {
    const taken = this.#take(change);
    this.#run();
    return taken;
  }

  step(messages: readonly Message[]): void {
    for (const message of messages) {
      // With a change of the group committed but not applied, which may have come just before, a member does not campaign.
      if (message.type === MsgType.MsgTimeoutNow) this.#run();
      this.#take((raw) => raw.step(message));
    }
    this.#run();
  }

  /** What a write or an application answers: to this node itself, and to others. */
  deliver(messages: readonly Message[], self: number): void {
    const others: Message[] = [];
    for (const { responses } of messages) {
      for (const response of responses) {
        if (response.to === self) this.#take((raw) => raw.step(response));
        else others.push(response);
      }
    }
    if (others.length > 0) this.#actions.send(others);
    this.#run();
  }

  stop(): void {
    this.#stopped = true;
  }

  #take(change: (raw: RawNode) => void): boolean {
    if (this.#stopped) return false;
    try {
      this.#actions.begin();
      change(this.#raw);
      return true;
    } catch (error) {
      if (error instanceof RaftError) this.#log.debug({ code: error.code }, `the core refuses: ${error.message}`);
      else this.#fail(error);
      return false;
    }
  }

  #run(): void {
    if (this.#running || this.#stopped) return;
    this.#running = true;
    try {
      while (!this.#stopped && this.#raw.hasReady()) this.#round();
      if (!this.#stopped) this.#actions.settled();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#running = false;
    }
  }

  #round(): void {
    const { softState, readStates, messages } = this.#raw.ready();
    if (softState) this.#actions.soft(softState);
    for (const state of readStates) this.#actions.read(state);
    const outgoing = messages.filter(({ to }) => !isLocalTarget(to));
    if (outgoing.length > 0) this.#actions.send(outgoing);
    for (const message of messages) {
      if (!isLocalTarget(message.to)) continue;
      if (message.to === LocalAppendThread) this.#actions.append(message);
      else this.#actions.apply(message);
    }
  }

  #fail(error: unknown): void {
    this.#stopped = true;
    const told = error instanceof InvariantError ? contradicts(error) : error;
    this.#log.error(
      { err: error },
      error instanceof InvariantError ? messageOf(told) : `unexpected: ${messageOf(error)}`,
    );
    this.#actions.fatal(told);
  }
}

function contradicts(error: InvariantError) {
  return internal(`the log of the managers contradicts itself: ${error.message}`, {
    cause: error,
    hint:
      'Here or on another manager something is gone that was acknowledged, as when a data root is put back from an older copy. If it ' +
      'was here: remove this node on another manager ("tsswarm node rm --force"), delete node.json in the data root, and join anew.',
  });
}
