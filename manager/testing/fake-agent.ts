import { deferred } from '../../lib/async.js';
import { systemClock } from '../../lib/clock.js';
import {
  type Assignment,
  AssignmentChangeAction,
  type AssignmentsMessage,
  AssignmentsMessageType,
  AttachmentsService,
  AttachNetworkRequest,
  type AttachNetworkResponse,
  DispatcherService,
  type HealthState,
  type HeartbeatRequest,
  type NetworkKeyRing,
  NodeDescription,
  type NodeProblem,
  Resources,
  type SessionMessage,
  type Task,
  TaskState,
  TaskStatus,
  type TaskUsage,
} from '../../proto/gen/index.js';
import { Channel, type Stubs } from '../../proto/rpc/client.js';

/** The member of an assignment that is set, as `kind id`, and its value. */
function itemOf(assignment: Assignment): readonly [string, { readonly id: string }] {
  for (const [kind, item] of Object.entries(assignment)) {
    if (item !== undefined) return [`${kind} ${(item as { id: string }).id}`, item as { id: string }];
  }
  throw new RangeError('an assignment without an item');
}

/**
 * An agent that speaks the real protocol but runs nothing: a task that is to run is running as soon
 * as it says so. What it has been told is kept by kind and id.
 */
export class FakeAgent {
  readonly credential: { readonly nodeId: string; readonly secret: Uint8Array };
  readonly nodeId: string;
  readonly assigned = new Map<string, { readonly id: string }>();
  readonly messages: AssignmentsMessage[] = [];
  readonly tasksSeen: Task[] = [];
  session: SessionMessage | undefined;
  sequence = 0;
  /** When false, what it is told is not acknowledged. */
  acknowledges = true;
  /** When false, tasks stay as they are. */
  runs = true;
  problems: readonly NodeProblem[] = [];
  networkKeys: NetworkKeyRing | undefined;
  wornNetworkKey = 0;
  /** Told with every heartbeat. */
  usage: readonly TaskUsage[] = [];
  /** As of the session's last message. */
  measuredServices: readonly string[] = [];
  /** Milliseconds until the next heartbeat, of each answer. */
  readonly periods: number[] = [];
  /** Told with the next session: milliseconds; 0: its connection does not ping. */
  pingPeriod = 0;
  /** Told with the next session. */
  dataPathAddress = '203.0.113.9';
  /** Likewise: of its process. */
  instance = '';
  readonly #channel: Channel;
  readonly #stubs: Stubs<typeof DispatcherService>;
  readonly #attachments: Stubs<typeof AttachmentsService>;
  readonly #heartbeat: number;
  readonly #states = new Map<string, TaskState>();
  #ending = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #ended: Promise<unknown> = Promise.resolve();

  /** @param heartbeat milliseconds */
  constructor(target: string, credential: FakeAgent['credential'], heartbeat: number) {
    this.credential = credential;
    this.nodeId = credential.nodeId;
    this.#heartbeat = heartbeat;
    this.#channel = new Channel(target, credential);
    this.#stubs = this.#channel.stubs(DispatcherService);
    this.#attachments = this.#channel.stubs(AttachmentsService);
  }

  /** Opens a session and its assignments; resolves with the first of each. */
  async connect(): Promise<void> {
    this.#ending = new AbortController();
    const { signal } = this.#ending;
    const [session, assignments] = [deferred<void>(), deferred<void>()];
    const follow = this.#followSession(signal, () => session.resolve());
    follow.catch(session.reject);
    this.#ended = follow.catch(() => undefined);
    await session.promise;
    const receive = this.#receive(signal, () => assignments.resolve());
    receive.catch(assignments.reject);
    const beat = this.#beat(signal);
    this.#running = Promise.allSettled([follow, receive, beat]);
    await assignments.promise;
  }

  /** Resolves when the manager has ended the session. */
  async sessionEnded(): Promise<void> {
    await this.#ended;
  }

  /** Falls silent, as a machine does that loses its power. */
  async vanish(): Promise<void> {
    this.#ending.abort();
    await this.#running;
  }

  async close(): Promise<void> {
    await this.vanish();
    this.#channel.close();
  }

  tasks(): Task[] {
    return [...this.assigned].filter(([key]) => key.startsWith('task ')).map(([, task]) => task as Task);
  }

  async acknowledge(sequence = this.sequence): Promise<void> {
    const { problems, networkKeys, wornNetworkKey } = this;
    const networkKeyClock = networkKeys?.clock ?? 0;
    const shown = { problems, networkKeyClock, wornNetworkKey };
    await this.#stubs.acknowledge(only({ sessionId: this.#sessionId, sequence, ...shown }));
  }

  attach(fields: Partial<AttachNetworkRequest>): Promise<AttachNetworkResponse> {
    return this.#attachments.attach(AttachNetworkRequest.create({ sessionId: this.#sessionId, ...fields }));
  }

  async detach(taskId: string): Promise<void> {
    await this.#attachments.detach({ sessionId: this.#sessionId, taskId });
  }

  async report(taskId: string, state: TaskState, sessionId = this.#sessionId, health?: HealthState): Promise<void> {
    const status = TaskStatus.create({ state, timestamp: Date.now(), ...(health === undefined ? {} : { health }) });
    await this.#stubs.updateTaskStatus({ sessionId, updates: [{ taskId, status }] });
  }

  get #sessionId(): string {
    return this.session?.sessionId ?? '';
  }

  async #followSession(signal: AbortSignal, opened: () => void): Promise<void> {
    const description = NodeDescription.create({
      hostname: this.nodeId,
      resources: Resources.create({ nanoCpus: 64e9, memoryBytes: 2 ** 38 }),
    });
    const { dataPathAddress, instance, pingPeriod } = this;
    const request = { description, sessionId: '', dataPathAddress, instance, pingPeriod };
    for await (const message of this.#stubs.session(request, { signal })) {
      this.session = message;
      this.measuredServices = message.measuredServices;
      opened();
    }
  }

  async #beat(signal: AbortSignal): Promise<void> {
    for await (const { period } of this.#stubs.heartbeat(this.#beats(signal), { signal })) this.periods.push(period);
  }

  async *#beats(signal: AbortSignal): AsyncIterable<HeartbeatRequest> {
    while (!signal.aborted) {
      yield { sessionId: this.#sessionId, usage: this.usage };
      await systemClock.sleep(this.#heartbeat, signal).catch(() => undefined);
    }
  }

  async #receive(signal: AbortSignal, opened: () => void): Promise<void> {
    for await (const message of this.#stubs.assignments({ sessionId: this.#sessionId }, { signal })) {
      this.#apply(message);
      opened();
      if (this.acknowledges) await this.acknowledge();
      await this.#work();
    }
  }

  #apply(message: AssignmentsMessage): void {
    this.messages.push(message);
    const isComplete = message.type === AssignmentsMessageType.COMPLETE;
    if (isComplete) {
      this.assigned.clear();
      this.networkKeys = undefined;
    } else if (message.appliesTo !== this.sequence) throw new RangeError(`gap: ${this.sequence}, ${message.appliesTo}`);
    this.sequence = message.resultsIn;
    for (const { action, assignment } of message.changes) {
      if (assignment.networkKeys) {
        this.networkKeys = action === AssignmentChangeAction.REMOVE ? undefined : assignment.networkKeys;
        continue;
      }
      const [key, item] = itemOf(assignment);
      if (action === AssignmentChangeAction.REMOVE) this.assigned.delete(key);
      else this.assigned.set(key, item);
      if (assignment.task && action === AssignmentChangeAction.UPDATE) this.tasksSeen.push(assignment.task);
    }
  }

  /** Brings tasks to the state that is wanted and reports it. */
  async #work(): Promise<void> {
    if (!this.runs) return;
    const updates = this.tasks().flatMap((task) => {
      const state = Math.max(this.#states.get(task.id) ?? TaskState.NEW, task.status.state);
      const next =
        task.desiredState > TaskState.COMPLETE ? TaskState.SHUTDOWN : Math.min(task.desiredState, TaskState.RUNNING);
      if (state > TaskState.RUNNING || next <= state) return [];
      this.#states.set(task.id, next as TaskState);
      const status = TaskStatus.create({ state: next as TaskState, timestamp: Date.now() });
      return [{ taskId: task.id, status }];
    });
    if (updates.length > 0) await this.#stubs.updateTaskStatus({ sessionId: this.#sessionId, updates });
  }
}

/** A stream of one message. */
async function* only<T>(message: T): AsyncGenerator<T> {
  yield message;
}
