import { AsyncQueue } from '../../lib/async.js';
import { messageOf } from '../../lib/errors.js';
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
import type { AgentsJob, AgentsStatus } from './messages.js';

let delays: number[] = [];
let errors: string[] = [];
let connected = 0;

/** A node that speaks the real protocol over a connection of its own and says at once that its tasks run. */
class SimulatedNode {
  readonly #stubs: Stubs<typeof DispatcherService>;
  readonly #states = new Map<string, TaskState>();
  readonly #acknowledgements = new AsyncQueue<AcknowledgeRequest>();
  #sessionId = '';
  /** Milliseconds; each answer gives it anew. */
  #period = 5_000;

  static async join({ address, token }: AgentsJob, name: string): Promise<SimulatedNode> {
    const description = NodeDescription.create({
      hostname: name,
      platform: Platform.create({ os: 'linux', architecture: 'amd64' }),
      resources: Resources.create({ nanoCpus: 64e9, memoryBytes: 2 ** 38 }),
    });
    const channel = new Channel(address);
    const fields = { token, description, advertiseAddress: '127.0.0.1', dataPathAddress: '127.0.0.1' };
    const { nodeId, credential } = await channel.stubs(JoinService).joinSwarm(JoinRequest.create(fields));
    channel.close();
    return new SimulatedNode(new Channel(address, { nodeId, secret: credential }), description);
  }

  private constructor(channel: Channel, description: NodeDescription) {
    this.#stubs = channel.stubs(DispatcherService);
    this.#session(description).catch((error) => errors.push(messageOf(error)));
  }

  async #session(description: NodeDescription): Promise<void> {
    const request = { description, sessionId: '', dataPathAddress: '127.0.0.1' };
    for await (const { sessionId } of this.#stubs.session(request)) {
      if (this.#sessionId !== '') continue;
      this.#sessionId = sessionId;
      const parts = [this.#beat(), this.#receive(), this.#stubs.acknowledge(this.#acknowledgements)];
      for (const part of parts) part.catch((error) => errors.push(messageOf(error)));
    }
  }

  async #beat(): Promise<void> {
    for await (const { period } of this.#stubs.heartbeat(this.#beats())) this.#period = period;
  }

  async *#beats(): AsyncIterable<HeartbeatRequest> {
    for (;;) {
      yield { sessionId: this.#sessionId, usage: [] };
      await new Promise((resolve) => setTimeout(resolve, this.#period));
    }
  }

  async #receive(): Promise<void> {
    for await (const message of this.#stubs.assignments({ sessionId: this.#sessionId })) {
      if (message.type === AssignmentsMessageType.COMPLETE) connected++;
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
    if (has === undefined) delays.push(Date.now() - task.meta.createdAt);
    const wanted = task.desiredState > TaskState.COMPLETE ? TaskState.SHUTDOWN : task.desiredState;
    const next = Math.min(wanted, wanted === TaskState.SHUTDOWN ? wanted : TaskState.RUNNING) as TaskState;
    return next > (has ?? task.status.state) && (has ?? 0) <= TaskState.RUNNING ? next : undefined;
  }
}

const job = JSON.parse(process.argv[2] ?? '') as AgentsJob;
process.on('message', () => {
  process.send?.({ connected, delays, errors } satisfies AgentsStatus);
  [delays, errors] = [[], []];
});
for (const name of job.names) await SimulatedNode.join(job, name);
