import { setTimeout as sleep } from 'node:timers/promises';
import { AsyncQueue } from '../../lib/async.js';
import { messageOf, SwarmError, unavailable } from '../../lib/errors.js';
import {
  type AcknowledgeRequest,
  AssignmentChangeAction,
  type AssignmentsMessage,
  DispatcherService,
  type HeartbeatRequest,
  JoinRequest,
  JoinService,
  NodeDescription,
  Platform,
  Resources,
  type Task,
  TaskState,
  TaskStatus,
} from '../../proto/gen/index.js';
import { Channel, type Stubs } from '../../proto/rpc/client.js';
import type { NodeCredential } from '../../proto/rpc/credentials.js';
import { persistently } from './persistently.js';

/** Milliseconds until a node whose session has ended opens the next one. */
const AGAIN = 500;
/** As a real node's. */
const PINGS = { interval: 5_000, timeout: 5_000 };

/** What nodes have seen, together. */
export interface Sightings {
  /** Nodes that know all that concerns them. */
  connected: number;
  /** From a task's making until its node knew of it, of each task, in milliseconds. */
  delays: number[];
  /** Why sessions have ended. */
  errors: string[];
}

/** A node that speaks the real protocol over a connection of its own and says at once that its tasks run. */
export class SimulatedNode {
  readonly #description: NodeDescription;
  readonly #credential: NodeCredential;
  readonly #seen: Sightings;
  readonly #states = new Map<string, TaskState>();
  readonly #ending = new AbortController();
  #isConnected = false;
  #lost = false;
  /** Milliseconds; each answer gives it anew. */
  #period = 5_000;

  /** By any manager; its session is with the one that leads. */
  static async join(address: string, token: string, name: string, seen: Sightings): Promise<SimulatedNode> {
    const description = NodeDescription.create({
      hostname: name,
      platform: Platform.create({ os: 'linux', architecture: 'amd64' }),
      resources: Resources.create({ nanoCpus: 64e9, memoryBytes: 2 ** 38 }),
    });
    const channel = new Channel(address);
    const fields = { token, description, advertiseAddress: '127.0.0.1', dataPathAddress: '127.0.0.1' };
    const request = JoinRequest.create(fields);
    const { nodeId, credential } = await persistently(() => channel.stubs(JoinService).joinSwarm(request));
    channel.close();
    const node = new SimulatedNode({ nodeId, secret: credential }, description, seen);
    node.#follow(address).catch((error) => {
      throw error;
    });
    return node;
  }

  private constructor(credential: NodeCredential, description: NodeDescription, seen: Sightings) {
    this.#credential = credential;
    this.#description = description;
    this.#seen = seen;
  }

  /** Its connection ends without a word, and it does not come back. */
  lose(): void {
    this.#lost = true;
    this.#ending.abort();
  }

  /** A manager that does not lead names the one that does. Where a session ends, as a real node does: the next one. */
  async #follow(address: string): Promise<void> {
    for (let manager = address; ; ) {
      const channel = new Channel(manager, this.#credential, PINGS);
      const ending = new AbortController();
      const signal = AbortSignal.any([ending.signal, this.#ending.signal]);
      try {
        await this.#session(channel.stubs(DispatcherService), signal);
      } catch (error) {
        if (this.#lost) return;
        const leader = error instanceof SwarmError && error.code === 'UNAVAILABLE' ? error.value : undefined;
        if (leader !== undefined && leader !== manager) {
          manager = leader;
          continue;
        }
        this.#seen.errors.push(messageOf(error));
        await sleep(AGAIN);
      } finally {
        ending.abort();
        channel.close();
      }
    }
  }

  /** @throws when any part of it ends */
  async #session(stubs: Stubs<typeof DispatcherService>, signal: AbortSignal): Promise<never> {
    const address = { dataPathAddress: '127.0.0.1', pingPeriod: PINGS.interval };
    const request = { description: this.#description, sessionId: '', instance: '', ...address };
    const messages = stubs.session(request, { signal })[Symbol.asyncIterator]();
    const first = await messages.next();
    if (first.done) throw unavailable('the manager ended the session');
    const { sessionId } = first.value;
    this.#period = first.value.heartbeatPeriod;
    const acknowledgements = new AsyncQueue<AcknowledgeRequest>();
    const ends = [
      this.#ended(messages),
      this.#beat(stubs, sessionId, signal),
      this.#receive(stubs, sessionId, acknowledgements, signal),
      stubs.acknowledge(acknowledgements, { signal }),
    ];
    try {
      await Promise.race(ends);
    } finally {
      // The first end is the news; what follows from it is not.
      for (const end of ends) end.catch(() => undefined);
    }
    throw unavailable('the manager ended the session');
  }

  async #ended(messages: AsyncIterator<unknown>): Promise<void> {
    while (!(await messages.next()).done);
  }

  async #beat(stubs: Stubs<typeof DispatcherService>, sessionId: string, signal: AbortSignal): Promise<void> {
    for await (const { period } of stubs.heartbeat(this.#beats(sessionId), { signal })) this.#period = period;
  }

  async *#beats(sessionId: string): AsyncIterable<HeartbeatRequest> {
    while (!this.#lost) {
      yield { sessionId, usage: [] };
      await sleep(this.#period);
    }
  }

  async #receive(
    stubs: Stubs<typeof DispatcherService>,
    sessionId: string,
    acknowledgements: AsyncQueue<AcknowledgeRequest>,
    signal: AbortSignal,
  ): Promise<void> {
    for await (const message of stubs.assignments({ sessionId }, { signal })) {
      if (!this.#isConnected) this.#seen.connected++;
      this.#isConnected = true;
      const updates = this.#apply(message);
      const shown = { problems: [], networkKeyClock: 0, wornNetworkKey: 0 };
      acknowledgements.push({ sessionId, ...shown, sequence: message.resultsIn });
      if (updates.length > 0) await stubs.updateTaskStatus({ sessionId, updates });
    }
  }

  /** @returns what there is to report of it */
  #apply({ changes }: AssignmentsMessage): { taskId: string; status: TaskStatus }[] {
    return changes.flatMap(({ action, assignment: { task } }) => {
      if (!task) return [];
      if (action === AssignmentChangeAction.REMOVE) {
        this.#states.delete(task.id);
        return [];
      }
      const state = this.#next(task);
      if (state === undefined) return [];
      this.#states.set(task.id, state);
      return [{ taskId: task.id, status: TaskStatus.create({ state, timestamp: Date.now() }) }];
    });
  }

  #next(task: Task): TaskState | undefined {
    const has = this.#states.get(task.id);
    if (has === undefined) this.#seen.delays.push(Date.now() - task.meta.createdAt);
    const wanted = task.desiredState > TaskState.COMPLETE ? TaskState.SHUTDOWN : task.desiredState;
    const next = Math.min(wanted, wanted === TaskState.SHUTDOWN ? wanted : TaskState.RUNNING) as TaskState;
    const isNews = next > (has ?? task.status.state) && (has ?? 0) <= TaskState.RUNNING;
    // What it said last may have been lost with its session.
    const isUnheard = has !== undefined && has > task.status.state;
    return isNews ? next : isUnheard ? has : undefined;
  }
}
