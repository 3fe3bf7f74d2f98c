import { AsyncQueue } from '../../lib/async.js';
import { failedPrecondition, type SwarmError } from '../../lib/errors.js';
import { silentLogger } from '../../lib/log.js';
import {
  type AcknowledgeRequest,
  AcknowledgeResponse,
  Assignment,
  AssignmentChange,
  type AssignmentChangeAction,
  AssignmentsMessage,
  AssignmentsMessageType,
  DispatcherService,
  type HeartbeatRequest,
  HeartbeatResponse,
  ManagerAddress,
  Node,
  SessionMessage,
  type SessionRequest,
  type TaskStatus,
  type TaskUsage,
  UpdateTaskStatusResponse,
} from '../../proto/gen/index.js';
import { RpcServer } from '../../proto/rpc/server.js';

/** A manager's dispatcher for tests of the other side: it speaks the protocol, tells what it is told to, and remembers. */
export class TestDispatcher {
  readonly address: string;
  readonly opened: SessionRequest[] = [];
  readonly acknowledged: AcknowledgeRequest[] = [];
  /** Every state that each task was reported in, in order. */
  readonly reported = new Map<string, TaskStatus[]>();
  heartbeats = 0;
  heartbeatPeriod = 50;
  measuredServices: readonly string[] = [];
  /** As of the last heartbeat. */
  usage: readonly TaskUsage[] = [];
  node = Node.create({ id: 'node' });
  /** What every session is refused with. */
  refusal: SwarmError | undefined;
  /** Thrown by the next call of this name. */
  readonly failures = new Map<string, SwarmError>();
  #server: RpcServer | undefined;
  #sessions = new Set<string>();
  #streams = new Map<string, AsyncQueue<AssignmentsMessage>>();
  #queues = new Map<string, AsyncQueue<SessionMessage>>();
  #sequence = 0;
  #next = 0;
  #waiters = new Set<() => void>();
  /** What a node is told first: a complete set. */
  #complete: readonly Partial<Assignment>[] = [];

  constructor(socket: string) {
    this.address = `unix://${socket}`;
  }

  async listen(): Promise<void> {
    this.#server = new RpcServer(silentLogger);
    this.#server.add(DispatcherService, {
      session: (request, { signal }) => this.#session(request, signal),
      heartbeat: (beats) => this.#heartbeats(beats),
      assignments: ({ sessionId }, { signal }) => this.#assignments(sessionId, signal),
      acknowledge: async (requests) => {
        for await (const request of requests) {
          this.#check('acknowledge', request.sessionId);
          this.acknowledged.push(request);
          this.#notify();
        }
        return AcknowledgeResponse.create();
      },
      updateTaskStatus: async ({ sessionId, updates }) => {
        this.#check('updateTaskStatus', sessionId);
        for (const { taskId, status } of updates)
          this.reported.set(taskId, [...(this.reported.get(taskId) ?? []), status]);
        this.#notify();
        return UpdateTaskStatusResponse.create();
      },
    });
    await this.#server.listen(this.address);
  }

  /** Ends all calls and forgets all sessions, as a manager that restarts. */
  close(): void {
    this.#server?.close();
    this.#sessions = new Set();
  }

  /** What nodes shall have: told whole to those that come, and to those that are here as a complete set. */
  assign(items: readonly Partial<Assignment>[]): number {
    this.#complete = items;
    this.#sequence++;
    for (const stream of this.#streams.values()) stream.push(this.#completeMessage());
    return this.#sequence;
  }

  /** A change of it, told as an increment. @param skip numbers to leave out, as if messages had been lost */
  change(items: readonly Partial<Assignment>[], action: AssignmentChangeAction = 0, skip = 0): number {
    const appliesTo = this.#sequence + skip;
    this.#sequence = appliesTo + 1;
    const message = AssignmentsMessage.create({
      type: AssignmentsMessageType.INCREMENTAL,
      appliesTo,
      resultsIn: this.#sequence,
      changes: changesOf(items, action),
    });
    for (const stream of this.#streams.values()) stream.push(message);
    return this.#sequence;
  }

  /** Tells all open sessions something of the managers or of the node. */
  tell(fields: Partial<SessionMessage>): void {
    for (const queue of this.#queues.values()) queue.push(SessionMessage.create(fields));
  }

  states(taskId: string): readonly number[] {
    return (this.reported.get(taskId) ?? []).map((status) => status.state);
  }

  last(taskId: string): TaskStatus | undefined {
    return this.reported.get(taskId)?.at(-1);
  }

  /** Resolves when the condition holds; it is looked at after every call. @throws after `ms` */
  async until(what: string, condition: () => boolean, ms = 10_000): Promise<void> {
    const deadline = Date.now() + ms;
    while (!condition()) {
      const left = deadline - Date.now();
      if (left <= 0) throw new Error(`${what}: not within ${ms} ms`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, Math.min(left, 100));
        this.#waiters.add(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async *#session(request: SessionRequest, signal: AbortSignal): AsyncGenerator<SessionMessage> {
    this.opened.push(request);
    this.#notify();
    this.#fail('session');
    if (this.refusal) throw this.refusal;
    const known = request.sessionId !== '' && this.#sessions.has(request.sessionId);
    if (request.sessionId !== '' && !known) throw failedPrecondition(`session ${request.sessionId} is not known`);
    const id = known ? request.sessionId : `session-${++this.#next}`;
    this.#sessions.add(id);
    const queue = new AsyncQueue<SessionMessage>();
    this.#queues.set(id, queue);
    signal.addEventListener('abort', () => queue.end(), { once: true });
    yield SessionMessage.create({
      sessionId: id,
      node: this.node,
      managers: [ManagerAddress.create({ nodeId: 'm', address: this.address, weight: 1 })],
      heartbeatPeriod: this.heartbeatPeriod,
      measuredServices: this.measuredServices,
      dataPathPort: 4789,
    });
    yield* queue;
  }

  async *#heartbeats(beats: AsyncIterable<HeartbeatRequest>): AsyncGenerator<HeartbeatResponse> {
    for await (const { sessionId, usage } of beats) {
      this.#check('heartbeat', sessionId);
      this.heartbeats++;
      this.usage = usage;
      this.#notify();
      yield HeartbeatResponse.create({ period: this.heartbeatPeriod });
    }
  }

  async *#assignments(sessionId: string, signal: AbortSignal): AsyncGenerator<AssignmentsMessage> {
    this.#check('assignments', sessionId);
    const stream = new AsyncQueue<AssignmentsMessage>();
    this.#streams.set(sessionId, stream);
    signal.addEventListener('abort', () => stream.end(), { once: true });
    yield this.#completeMessage();
    yield* stream;
  }

  #completeMessage(): AssignmentsMessage {
    return AssignmentsMessage.create({ resultsIn: this.#sequence, changes: changesOf(this.#complete, 0) });
  }

  #check(call: string, sessionId: string): void {
    this.#fail(call);
    if (!this.#sessions.has(sessionId)) throw failedPrecondition(`session ${sessionId} is not known`);
  }

  #fail(call: string): void {
    const failure = this.failures.get(call);
    this.failures.delete(call);
    if (failure) throw failure;
  }

  #notify(): void {
    for (const waiter of this.#waiters) waiter();
    this.#waiters.clear();
  }
}

function changesOf(items: readonly Partial<Assignment>[], action: AssignmentChangeAction): AssignmentChange[] {
  return items.map((item) => AssignmentChange.create({ action, assignment: Assignment.create(item) }));
}
