import { alreadyExists, messageOf, unavailable } from '../../lib/errors.js';
import {
  type AcknowledgeRequest,
  type AcknowledgeResponse,
  type AssignmentsMessage,
  type AssignmentsRequest,
  type DispatcherService,
  type HeartbeatRequest,
  type HeartbeatResponse,
  type Node,
  NodeState,
  type SessionMessage,
  type SessionRequest,
  type UpdateTaskStatusRequest,
  type UpdateTaskStatusResponse,
} from '../../proto/gen/index.js';
import type { CallContext, Handlers } from '../../proto/rpc/server.js';
import { checkDataPathAddress } from '../common/addresses.js';
import { COPY_HINT } from '../common/copies.js';
import { heartbeatPeriod } from '../common/heartbeat.js';
import { Incumbents } from '../common/incumbents.js';
import { ControlLoop, type LoopOptions, type Reaction } from '../common/loop.js';
import { type Commit, isEvent, type Kind, type ReadView, type WriteView } from '../store/store.js';
import { MeasuredServices } from '../usage/measured-services.js';
import type { UsageReports } from '../usage/usage-reports.js';
import { Assigner } from './assigner.js';
import type { DrainTimeouts, Overdue } from './drain.js';
import { KnownManagers } from './known-managers.js';
import { Liveness } from './liveness.js';
import { addressOfPeer, NodeWriter } from './node-writer.js';
import { Orphans } from './orphans.js';
import { Pacer } from './pacer.js';
import { beatPeriod, isNews, type Session, sessionMessage } from './session.js';
import { Sessions } from './sessions.js';
import { StatusWriter } from './status-writer.js';

export interface DispatcherOptions extends LoopOptions {
  /** The node that makes a call. @throws UNAUTHENTICATED or PERMISSION_DENIED when it is none */
  readonly authenticate: (context: CallContext) => Node;
  /** Where what nodes tell of their tasks' usage is put. */
  readonly usage: UsageReports;
  /** host:port of the manager that leads, if another one does. */
  readonly leader?: () => string | undefined;
  readonly drainTimeouts?: DrainTimeouts;
}

/** Periods without a heartbeat after which a node is down. */
const GRACE_PERIODS = 3;
/**
 * Nodes have at least this long to find a manager that has just started, in milliseconds: where the last one lost its
 * power their pings tell them in 10 s, and the first managers that they ask then may be without it, too.
 */
const START_GRACE = 15_000;
/** When a node's state could not be written, milliseconds until that is tried again. */
const RETRY = 5_000;
/** Part of the heartbeat's period by which it is varied, either way, so that nodes do not beat in step. */
const JITTER = 0.1;
/** What an agent has, in milliseconds, to open its session again when another process says to be its node. */
export const CHALLENGE_PATIENCE = 2_000;

/**
 * Serves the agents: keeps their sessions, tells them what to run and what the data plane needs, and
 * writes what they report. One instance serves for as long as its manager leads: outside `run` all
 * calls answer UNAVAILABLE.
 */
export class Dispatcher implements Reaction {
  readonly kinds: readonly Kind[] = ['cluster', 'node', 'service', 'task', 'network', 'secret', 'config'];
  readonly #options: DispatcherOptions;
  readonly #loop: ControlLoop;
  readonly #liveness: Liveness;
  readonly #orphans: Orphans;
  readonly #statuses: StatusWriter;
  readonly #nodes: NodeWriter;
  readonly #sessions = new Sessions();
  readonly #managers = new KnownManagers();
  readonly #incumbents: Incumbents<string>;
  readonly #measured = new MeasuredServices();
  #assigner: Assigner | undefined;

  constructor(options: DispatcherOptions) {
    const { store, clock, log } = options;
    this.#options = options;
    this.#loop = new ControlLoop(options);
    this.#liveness = new Liveness(clock, (nodeId) => this.#silent(nodeId));
    this.#orphans = new Orphans(clock, () => this.#loop.wake());
    this.#statuses = new StatusWriter(store, log);
    this.#nodes = new NodeWriter(store, clock);
    this.#incumbents = new Incumbents(clock, CHALLENGE_PATIENCE);
  }

  /** To be added to the server that nodes reach. */
  get handlers(): Handlers<typeof DispatcherService> {
    return {
      session: (request, context) => this.#session(request, context),
      heartbeat: (beats, context) => this.#heartbeats(beats, context),
      assignments: (request, context) => this.#assignments(request, context),
      acknowledge: (acknowledgements, context) => this.#acknowledge(acknowledgements, context),
      updateTaskStatus: (request, context) => this.#updateTaskStatus(request, context),
    };
  }

  /**
   * The node that calls, for other services that nodes use within a session.
   * @throws FAILED_PRECONDITION when the session is not (any more) this node's
   */
  nodeOf(sessionId: string, context: CallContext): string {
    return this.#of(sessionId, context).nodeId;
  }

  /** How many nodes have one. */
  get sessions(): number {
    return this.#sessions.size;
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      await this.#loop.run(signal, this);
    } finally {
      this.#stop();
    }
  }

  // ---- Reaction ------------------------------------------------------------------------------

  start(view: ReadView): void {
    this.#stop();
    const { store, clock, log, drainTimeouts } = this.#options;
    this.#assigner = new Assigner({ store, clock, log, drainTimeouts, wake: () => this.#loop.wake() }, view);
    this.#orphans.start(() => store.view());
    this.#measured.start(view);
    const grace = Math.max(START_GRACE, GRACE_PERIODS * heartbeatPeriod(view));
    for (const node of view.list('node')) {
      this.#managers.seen(node);
      if (node.status.state === NodeState.DOWN) continue;
      this.#liveness.heard(node.id, grace);
      if (node.status.state !== NodeState.UNKNOWN) {
        this.#background(
          this.#nodes.setState(
            node.id,
            NodeState.UNKNOWN,
            'the managers have restarted or changed leader',
            () => !this.#sessions.has(node.id),
          ),
        );
      }
    }
  }

  observe(commit: Commit): void {
    const view = this.#options.store.view();
    for (const event of commit.events) {
      this.#assigner?.observe(event);
      this.#orphans.observe(event);
      for (const nodeId of this.#measured.observe(view, event)) this.#sessions.get(nodeId)?.wake();
      if (isEvent(event, 'node')) this.#nodeSeen(event.object, event.action === 'remove');
      else if (isEvent(event, 'cluster')) this.#sessions.wakeAll();
    }
  }

  async act(): Promise<void> {
    const { store } = this.#options;
    const overdue = this.#assigner?.flush() ?? [];
    const unconfirmed = await store.batch(overdue, nameUnconfirmed);
    const orphaned = await store.batch(this.#orphans.take(), (draft, id) => this.#orphans.orphan(draft, id));
    for (const { failed } of [unconfirmed, orphaned]) for (const error of failed.values()) throw error;
  }

  #stop(): void {
    this.#assigner?.closeAll();
    this.#assigner = undefined;
    this.#liveness.clear();
    this.#orphans.clear();
    this.#options.usage.clear();
    this.#sessions.endAll();
    this.#managers.clear();
  }

  #nodeSeen(node: Node, removed: boolean): void {
    const session = this.#sessions.get(node.id);
    if (removed || node.credentialDigest.length === 0) {
      this.#liveness.forget(node.id);
      if (session) this.#end(session);
    }
    session?.wake();
    if (!removed && node.status.state === NodeState.UNKNOWN && !this.#liveness.watches(node.id)) {
      // It has joined and must now be heard of.
      this.#liveness.heard(node.id, GRACE_PERIODS * heartbeatPeriod(this.#options.store.view()));
    }
    if (this.#managers.seen(node, removed)) this.#sessions.wakeAll();
  }

  #silent(nodeId: string): void {
    const session = this.#sessions.get(nodeId);
    if (session) this.#end(session);
    this.#options.log.warn({ node: nodeId }, 'node is down: no heartbeat within the grace period');
    const isSilent = () => !this.#sessions.has(nodeId);
    this.#nodes.setState(nodeId, NodeState.DOWN, 'heartbeat failure', isSilent).catch((error: unknown) => {
      this.#options.log.warn({ node: nodeId, err: error }, `cannot write that a node is down: ${messageOf(error)}`);
      // Nobody else would notice: the node is looked at again.
      if (this.#assigner && isSilent()) this.#liveness.heard(nodeId, RETRY);
    });
  }

  /** Its connection may go on, and say nothing of the session any more. */
  #pulseEnded(session: Session): void {
    session.pulse = undefined;
    if (this.#sessions.isCurrent(session)) this.#liveness.pulseEnded(session.nodeId);
  }

  #end(session: Session): void {
    this.#sessions.end(session);
    this.#options.usage.forget(session.nodeId);
    this.#assigner?.close(this.#assigner.streamOf(session.nodeId));
  }

  /** A write that no call waits for, of what will be noticed again. */
  #background(write: Promise<void>): void {
    write.catch((error) => this.#options.log.warn({ err: error }, `cannot write a node's state: ${messageOf(error)}`));
  }

  // ---- calls ---------------------------------------------------------------------------------

  async *#session(request: SessionRequest, context: CallContext): AsyncIterable<SessionMessage> {
    if (!this.#assigner) throw this.#notServing();
    const node = this.#options.authenticate(context);
    if (request.dataPathAddress !== '') checkDataPathAddress(request.dataPathAddress);
    let epoch: { end(): void } | undefined;
    const { instance } = request;
    const entered = await this.#incumbents.enter(node.id, { instance, peer: context.peer, end: () => epoch?.end() });
    if (typeof entered !== 'function') throw this.#twin(node.id, context.peer, entered.peer);
    try {
      if (!this.#assigner) throw this.#notServing();
      const session = this.#openSession(node.id, request.sessionId);
      epoch = { end: () => session.endEpoch() };
      yield* this.#follow(session, request, context);
    } finally {
      entered();
    }
  }

  /** A second process with the identity of a node whose own one lives. It is on record with the node, for who looks there. */
  #twin(nodeId: string, peer: string, own: string) {
    this.#options.log.error({ node: nodeId, own, refused: peer }, 'a second machine runs as this node: it is refused');
    const [here, there] = [addressOfPeer(peer) || peer, addressOfPeer(own) || own];
    const time = new Date(this.#options.clock.now()).toISOString();
    this.#background(
      this.#nodes.note(nodeId, `a second machine (${here}) ran as this node, and was refused at ${time}`),
    );
    const message = `node ${nodeId} runs already, at ${there}: this machine (${here}) is a second one with its identity`;
    return alreadyExists(message, { value: nodeId, hint: COPY_HINT });
  }

  async *#follow(session: Session, request: SessionRequest, context: CallContext): AsyncIterable<SessionMessage> {
    const { store, log } = this.#options;
    const node = { id: session.nodeId };
    const epoch = ++session.epoch;
    const period = heartbeatPeriod(store.view());
    const pulse = context.received;
    session.pulse = pulse;
    session.pingPeriod = request.pingPeriod;
    session.wake();
    const ended = () => {
      if (session.pulse === pulse) this.#pulseEnded(session);
      session.wake();
    };
    context.signal.addEventListener('abort', ended, { once: true });
    this.#liveness.heard(node.id, GRACE_PERIODS * period, session.pulseAt(period));
    await this.#nodes.register(node.id, request, addressOfPeer(context.peer));
    log.info(
      { node: node.id, hostname: request.description.hostname, session: session.id, peer: context.peer },
      'session',
    );
    let last: SessionMessage | undefined;
    while (!context.signal.aborted && !session.ended && session.epoch === epoch) {
      const view = store.view();
      const measured = this.#measured.onNode(view, node.id);
      const message = sessionMessage(session, view, this.#managers.all, measured);
      if (message && (!last || isNews(last, message))) {
        last = message;
        yield message;
      }
      await session.changed();
    }
    ended();
  }

  /** The session to go on with, if it is the node's; else a new one in the place of the one that it had. */
  #openSession(nodeId: string, resumed: string): Session {
    const known = this.#sessions.get(nodeId);
    if (known && known.id === resumed) return known;
    if (known) this.#end(known);
    return this.#sessions.begin(nodeId);
  }

  async *#heartbeats(beats: AsyncIterable<HeartbeatRequest>, context: CallContext): AsyncIterable<HeartbeatResponse> {
    const { store, clock, usage, random = Math.random } = this.#options;
    let session: Session | undefined;
    for await (const beat of beats) {
      session = this.#still(session, beat.sessionId, context);
      const view = store.view();
      const period = heartbeatPeriod(view);
      this.#liveness.heard(session.nodeId, GRACE_PERIODS * period, session.pulseAt(period));
      usage.report(session.nodeId, beat.usage, clock.monotonic());
      const next = beatPeriod(session, view, this.#measured.onNode(view, session.nodeId));
      yield { period: Math.round(next * (1 - JITTER + 2 * JITTER * random())) };
    }
  }

  async *#assignments(request: AssignmentsRequest, context: CallContext): AsyncIterable<AssignmentsMessage> {
    const session = this.#of(request.sessionId, context);
    const assigner = this.#assigner;
    if (!assigner) throw this.#notServing();
    const stream = assigner.open(session.nodeId, session.sequence);
    const close = () => assigner.close(stream);
    context.signal.addEventListener('abort', close, { once: true });
    const pacer = new Pacer();
    const { clock, log } = this.#options;
    try {
      const complete = stream.complete();
      assigner.sent(stream, complete.resultsIn);
      yield complete;
      while (await stream.ready()) {
        const wait = pacer.delay(clock.monotonic(), stream.size);
        if (wait > 0) await clock.sleep(wait);
        const message = stream.next();
        if (!message) continue;
        pacer.sent(clock.monotonic(), assigner.streams);
        assigner.sent(stream, message.resultsIn);
        const { resultsIn: sequence, changeIds: changes, changes: items } = message;
        if (changes.length > 0)
          log.debug({ node: session.nodeId, sequence, changes, items: items.length }, 'assignments');
        yield message;
      }
    } finally {
      close();
    }
  }

  async #acknowledge(
    acknowledgements: AsyncIterable<AcknowledgeRequest>,
    context: CallContext,
  ): Promise<AcknowledgeResponse> {
    let session: Session | undefined;
    for await (const { sessionId, sequence, ...shown } of acknowledgements) {
      session = this.#still(session, sessionId, context);
      this.#assigner?.acknowledged(session.nodeId, Math.min(sequence, session.sequence.value));
      await this.#nodes.setApplied(session.nodeId, shown);
    }
    return {};
  }

  async #updateTaskStatus(request: UpdateTaskStatusRequest, context: CallContext): Promise<UpdateTaskStatusResponse> {
    const { nodeId } = this.#of(request.sessionId, context);
    await this.#statuses.write(request.updates.map(({ taskId, status }) => ({ nodeId, taskId, status })));
    return {};
  }

  /** The value is where to ask instead: agents follow it. */
  #notServing() {
    const leader = this.#options.leader?.();
    const hint = leader === undefined ? undefined : `The leader is ${leader}.`;
    return unavailable('this manager is not the leader, or is just starting', { value: leader, hint });
  }

  /** As `#of`, for each message of a stream: its caller is the same node for as long as its session lasts. */
  #still(session: Session | undefined, sessionId: string, context: CallContext): Session {
    return session && !session.ended && session.id === sessionId ? session : this.#of(sessionId, context);
  }

  /** @throws FAILED_PRECONDITION when the caller's session is not this one (any more) */
  #of(sessionId: string, context: CallContext): Session {
    if (!this.#assigner) throw this.#notServing();
    return this.#sessions.find(this.#options.authenticate(context).id, sessionId);
  }
}

/** Puts it on record with the task that it was stopped without them. */
function nameUnconfirmed(draft: WriteView, { taskId, nodes }: Overdue): void {
  const task = draft.get('task', taskId);
  if (task) draft.update('task', { ...task, unconfirmedNodes: [...nodes] });
}
