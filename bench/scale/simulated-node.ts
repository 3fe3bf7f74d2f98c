import { AsyncQueue } from '../../lib/async.js';
import { messageOf, SwarmError } from '../../lib/errors.js';
import {
  type AcknowledgeRequest,
  AssignmentChangeAction,
  type AssignmentsMessage,
  AssignmentsMessageType,
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
  readonly #acknowledgements = new AsyncQueue<AcknowledgeRequest>();
  #stubs: Stubs<typeof DispatcherService>;
  #sessionId = '';
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
    const { nodeId, credential } = await channel.stubs(JoinService).joinSwarm(JoinRequest.create(fields));
    channel.close();
    const node = new SimulatedNode(address, { nodeId, secret: credential }, description, seen);
    node.#follow(address).catch((error) => node.#failed(error));
    return node;
  }

  private constructor(address: string, credential: NodeCredential, description: NodeDescription, seen: Sightings) {
    this.#credential = credential;
    this.#description = description;
    this.#seen = seen;
    this.#stubs = new Channel(address, credential).stubs(DispatcherService);
  }

  /** Says nothing any more. */
  lose(): void {
    this.#lost = true;
  }

  #failed(error: unknown): void {
    if (!this.#lost) this.#seen.errors.push(messageOf(error));
  }

  /** A manager that does not lead names the one that does. */
  async #follow(address: string): Promise<void> {
    const channel = new Channel(address, this.#credential);
    this.#stubs = channel.stubs(DispatcherService);
    try {
      await this.#session();
    } catch (error) {
      const leader = error instanceof SwarmError && error.code === 'UNAVAILABLE' ? error.value : undefined;
      if (this.#sessionId !== '' || leader === undefined || leader === address) throw error;
      channel.close();
      await this.#follow(leader);
    }
  }

  async #session(): Promise<void> {
    const request = { description: this.#description, sessionId: '', dataPathAddress: '127.0.0.1' };
    for await (const { sessionId } of this.#stubs.session(request)) {
      if (this.#sessionId !== '') continue;
      this.#sessionId = sessionId;
      const parts = [this.#beat(), this.#receive(), this.#stubs.acknowledge(this.#acknowledgements)];
      for (const part of parts) part.catch((error) => this.#failed(error));
    }
  }

  async #beat(): Promise<void> {
    for await (const { period } of this.#stubs.heartbeat(this.#beats())) this.#period = period;
  }

  async *#beats(): AsyncIterable<HeartbeatRequest> {
    while (!this.#lost) {
      yield { sessionId: this.#sessionId, usage: [] };
      await new Promise((resolve) => setTimeout(resolve, this.#period));
    }
    // Its connection stays, which nobody uses.
    await new Promise(() => {});
  }

  async #receive(): Promise<void> {
    for await (const message of this.#stubs.assignments({ sessionId: this.#sessionId })) {
      if (this.#lost) continue;
      if (message.type === AssignmentsMessageType.COMPLETE) this.#seen.connected++;
      const updates = this.#apply(message);
      const answer = { sessionId: this.#sessionId };
      const shown = { problems: [], networkKeyClock: 0, wornNetworkKey: 0 };
      this.#acknowledgements.push({ ...answer, ...shown, sequence: message.resultsIn });
      if (updates.length > 0) await this.#stubs.updateTaskStatus({ ...answer, updates });
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
    return next > (has ?? task.status.state) && (has ?? 0) <= TaskState.RUNNING ? next : undefined;
  }
}
