import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { allDone } from '../lib/async.js';
import type { Clock } from '../lib/clock.js';
import { failedPrecondition, messageOf } from '../lib/errors.js';
import { isId } from '../lib/ids.js';
import type { Logger } from '../lib/log.js';
import { probeFeatures } from '../netlb/probe.js';
import {
  IngressAnswer,
  Node,
  type NodeAnswer,
  type NodeDescription,
  type NodeProblem,
  type NodeQuestion,
  type PortTraffic,
  type SessionMessage,
  type Task,
  type TaskState,
} from '../proto/gen/index.js';
import type { Channel } from '../proto/rpc/client.js';
import type { NodeCredential } from '../proto/rpc/credentials.js';
import { Agent } from './agent/agent.js';
import { type Assignments, noAssignments } from './agent/assignments.js';
import { containerSettings } from './agent/container-settings.js';
import { TaskDatabase } from './agent/database.js';
import { readResolvConf } from './agent/resolv-conf.js';
import type { News } from './agent/session.js';
import { StatusQueue } from './agent/status-queue.js';
import { TaskSet } from './agent/task-set.js';
import { UsageMeter } from './agent/usage-meter.js';
import { interactiveHandlers } from './containers/interactive-handlers.js';
import { describeNode } from './description.js';
import type { Engine, EngineParts } from './engine.js';
import type { ContainerSettings, ContainerState, Executor } from './executor/executor.js';
import { stopGrace } from './executor/stop-grace.js';
import { runTogether, untilAborted } from './group.js';
import { Answering } from './inspections/answering.js';
import type { Inspector } from './inspections/inspector.js';
import { LogPublisher } from './logs/log-publisher.js';
import type { NetworkController } from './network/controller.js';
import { swarmStateSteps } from './network/desired-state.js';
import { ingressTraffic } from './network/traffic.js';
import { Tunnels } from './tunnels/tunnels.js';

export interface WorkerOptions {
  readonly dataRoot: string;
  /** What this machine runs in a swarm or not; it outlasts the worker. */
  readonly engine: Engine;
  /** Answers what managers ask of this node. */
  readonly inspector: Inspector;
  /** Empty: the machine's. */
  readonly hostname: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Of tsswarmd. */
  readonly version: string;
  readonly nodeId: string;
  readonly credential: NodeCredential;
  /** host:port, the last known good one first. */
  readonly managers: readonly string[];
  readonly dataPathAddress: string;
  readonly dataPathPort: number;
  readonly log: Logger;
  readonly clock: Clock;
  /** The managers that are to be tried after a restart, the last known good one first. */
  onManagers?(addresses: readonly string[]): void;
  /** The node's own object, as managers have it now. */
  onNode?(node: Node): void;
  /** Managers do not know this node, or no longer. */
  onRemoved?(): void;
  /** Another machine runs as this node, and did so first. */
  onTwin?(error: unknown): void;
}

export interface WorkerFigures {
  /** Whether a manager answers. */
  readonly connected: boolean;
  readonly tasks: ReadonlyMap<TaskState, number>;
  /** Sets of assignments that managers have sent. */
  readonly assignments: number;
  readonly ports: readonly PortTraffic[];
}

const LEAVE_GRACE_MS = 10_000;

/** What is open for as long as a worker runs. */
interface Parts extends EngineParts {
  readonly database: TaskDatabase;
}

/**
 * What every node of a swarm runs beside its engine: it holds a session with a manager, runs the node's
 * tasks and says what its network shall be. When it stops, or is killed, containers and network stay as they
 * are, and the next one takes them back before it has heard from any manager.
 */
export class Worker {
  readonly #options: WorkerOptions;
  readonly #stop = new AbortController();
  readonly #statuses = new StatusQueue();
  #running: Promise<void> = Promise.resolve();
  #parts: EngineParts | undefined;
  #tasks: TaskSet | undefined;
  #agent: Agent | undefined;
  #tunnels: Tunnels | undefined;
  #assignments: Assignments = noAssignments;
  #applied = 0;
  #node: Node;
  #dataPathPort: number;
  #description: NodeDescription | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.#node = Node.create({ id: options.nodeId });
    this.#dataPathPort = options.dataPathPort;
  }

  /**
   * Resolves when the signal aborts.
   * @throws when a part of it cannot be opened, or breaks
   */
  run(signal: AbortSignal): Promise<void> {
    const running = this.#run(AbortSignal.any([signal, this.#stop.signal]));
    this.#running = running.catch(() => undefined);
    return running;
  }

  /** Undefined before it runs. @throws KernelError */
  async figures(): Promise<WorkerFigures | undefined> {
    if (!this.#tasks) return undefined;
    const tasks = new Map<TaskState, number>();
    for (const { status } of this.#tasks.local()) tasks.set(status.state, (tasks.get(status.state) ?? 0) + 1);
    const { ports } = await this.ingress();
    return { connected: this.connected, tasks, assignments: this.#applied, ports };
  }

  /** Whether a manager answers. */
  get connected(): boolean {
    return this.#agent?.connected ?? false;
  }

  /** Why no manager answers, in words; empty while one does. */
  get trouble(): string {
    return this.#agent?.trouble ?? '';
  }

  /** What managers could not give this node. */
  get unallocated(): readonly NodeProblem[] {
    return this.#node.unallocated;
  }

  /** This machine as managers are told of it; undefined until it runs. */
  get description(): NodeDescription | undefined {
    return this.#description;
  }

  /**
   * Takes the node out of its swarm: stops and removes all tasks, the network and what is kept on disk. What the
   * machine runs by itself goes on.
   * @throws when a container cannot be removed: the others are, network and records stay. What it was can be begun anew then
   */
  async leave(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    const { executor, health, containers, database } = await this.#open();
    const tasks = new Map((await database.tasks()).map(({ task }) => [task.id, task]));
    const ours = (await executor.list()).filter(({ id }) => isId(id));
    await allDone(ours.map((container) => end(executor, container, tasks.get(container.id))));
    await allDone(ours.map(({ id }) => health.forget(id)));
    // First, for it makes room on a full disk, and what comes next writes.
    await database.destroy();
    await containers.leaveSwarm();
    await this.#options.engine.setSwarm(undefined);
  }

  async #open(): Promise<Parts> {
    const { dataRoot, engine, log } = this.#options;
    const parts = await engine.ready();
    this.#parts = parts;
    return { ...parts, database: await TaskDatabase.open(join(dataRoot, 'worker'), log) };
  }

  async #run(signal: AbortSignal): Promise<void> {
    const parts = await this.#open();
    const { engine } = this.#options;
    const { database, executor } = parts;
    this.#assignments = await database.assignments();
    this.#node = (await database.node()) ?? this.#node;
    const description = this.#describe(parts);
    this.#description = description;

    const tasks = this.#taskSet(parts, description);
    const agent = this.#newAgent(parts, tasks, description);
    const tunnels = this.#newTunnels(parts, agent);
    this.#tasks = tasks;
    this.#agent = agent;
    this.#tunnels = tunnels;

    const strays = await tasks.adopt(this.#assignments);
    if (signal.aborted) return;
    void engine.setSwarm({
      desired: () => this.#desired(),
      networkChanged: () => this.#networkChanged(),
      tasks: () => tasks.local(),
      networks: () => [...this.#assignments.networks.values()],
      services: () => this.#assignments.services.values(),
      attachments: () => this.#node.attachments,
    });
    await runTogether(signal, [
      (inner) => tasks.run(inner),
      (inner) => agent.run(inner),
      (inner) => tunnels.run(inner),
      (inner) => this.#removeStrays(executor, strays, inner),
    ]);
  }

  #describe({ executor: { runtime }, plane: { balancer } }: EngineParts): NodeDescription {
    const { hostname, labels, version } = this.#options;
    return describeNode({ hostname, labels, version, runtime, balancer, features: probeFeatures() });
  }

  #taskSet({ executor, health, database, plane, network, containers }: Parts, description: NodeDescription): TaskSet {
    const { clock, log } = this.#options;
    return new TaskSet({
      executor,
      health,
      database,
      statuses: this.#statuses,
      clock,
      log,
      sandbox: (local) => network.sandbox(local),
      settings: (task, files) => this.#settings(task, files, description, plane.namespacePath(task.id)),
      published: () => containers.records().flatMap(({ ports }) => ports),
      onNetworkChange: (task) => void network.changed({ changeIds: [task.meta.changeId] }),
    });
  }

  #newAgent({ executor, database, network, containers }: Parts, tasks: TaskSet, description: NodeDescription): Agent {
    const { managers, credential, nodeId, dataPathAddress, clock, log } = this.#options;
    const answering = new Answering({ answer: (question) => this.#answer(question), clock, log });
    const logs = new LogPublisher({ executor, nodeId, task: (id) => tasks.get(id)?.task, clock, log });
    const meter = new UsageMeter({ tasks: () => tasks.local(), load: (id) => executor.load(id) });
    return new Agent({
      managers,
      credential,
      clock,
      log,
      onManagers: (addresses) => this.#options.onManagers?.(addresses),
      onRemoved: () => this.#options.onRemoved?.(),
      onTwin: (error) => this.#options.onTwin?.(error),
      onSession: (message) => this.#sessionMessage(message, database, network),
      node: {
        instance: randomUUID(),
        description,
        dataPathAddress,
        statuses: this.#statuses,
        problems: () => this.#options.engine.problems(),
        networkKeyClock: () => network.networkKeyClock,
        wornNetworkKey: () => network.wornNetworkKey,
        measure: (services) => meter.measure(services),
        usage: () => meter.usage(),
        onAssignments: (assignments, news) => this.#assigned(assignments, news, database, network, tasks),
        serve: (channel: Channel, sessionId, signal) => {
          tasks.reportAll();
          return runTogether(signal, [
            (inner) => logs.run(channel, sessionId, inner),
            (inner) => answering.run(channel, sessionId, inner),
            (inner) => containers.attachments.serve(channel, sessionId, inner),
          ]);
        },
      },
    });
  }

  #newTunnels({ containers }: Parts, agent: Agent): Tunnels {
    const { credential, log } = this.#options;
    return new Tunnels({
      containers: interactiveHandlers(async () => containers),
      credential,
      log: log.child({ part: 'tunnels' }),
      has: (taskId) => containers.all().some(({ kind, id }) => kind === 'task' && id === taskId),
      knows: (manager) => agent.knows(manager),
    });
  }

  async #answer(question: NodeQuestion): Promise<Partial<NodeAnswer>> {
    if (question.tunnel && this.#tunnels) return { tunnel: this.#tunnels.open(question.tunnel) };
    if (question.ingress) return { ingress: await this.ingress() };
    return this.#options.inspector.answer(question);
  }

  /** Published ports as this node balances them. @throws KernelError, FAILED_PRECONDITION before the worker runs */
  async ingress(): Promise<IngressAnswer> {
    if (!this.#parts) throw failedPrecondition('this node is just starting: it does not know its network yet');
    const { plane } = this.#parts;
    const statistics = await plane.statistics();
    return IngressAnswer.create({
      balancer: plane.balancer,
      readAtNs: Number(process.hrtime.bigint()),
      ports: ingressTraffic(statistics, this.#assignments),
    });
  }

  #sessionMessage(message: SessionMessage, database: TaskDatabase, network: NetworkController): void {
    if (message.dataPathPort > 0) this.#dataPathPort = message.dataPathPort;
    // A message without the node's own object is about other things.
    if (message.node.id !== '') {
      this.#node = message.node;
      void this.#logged(database.saveNode(message.node), 'the node cannot be saved');
      this.#options.onNode?.(message.node);
    }
    void network.changed();
  }

  #assigned(
    assignments: Assignments,
    news: News,
    database: TaskDatabase,
    network: NetworkController,
    tasks: TaskSet,
  ): Promise<void> {
    this.#assignments = assignments;
    this.#applied++;
    void this.#logged(database.saveAssignments(assignments), 'assignments cannot be saved');
    tasks.assign(assignments);
    this.#parts?.containers.assigned(assignments.tasks.values());
    return network.changed(news);
  }

  #networkChanged(): void {
    this.#tasks?.wakeAll();
    this.#agent?.problemsChanged();
  }

  #desired() {
    const { dataPathAddress, engine, nodeId } = this.#options;
    return swarmStateSteps(this.#assignments, this.#tasks?.local() ?? [], {
      id: nodeId,
      dataPathAddress,
      dataPathPort: this.#dataPathPort,
      ipv6: existsSync('/proc/net/if_inet6'),
      gatewayBridge: engine.gatewayBridge,
      attachments: this.#node.attachments,
    });
  }

  async #settings(
    task: Task,
    files: Assignments,
    { hostname, platform }: NodeDescription,
    networkNamespace: string,
  ): Promise<ContainerSettings> {
    const node = { id: this.#options.nodeId, hostname, platform };
    return containerSettings(task, { node, files, networkNamespace, resolvers: await readResolvConf() });
  }

  /** Containers whose tasks are not on record: nobody will ever ask for them. */
  async #removeStrays(executor: Executor, strays: readonly ContainerState[], signal: AbortSignal): Promise<void> {
    await Promise.all(strays.map(({ id }) => this.#logged(executor.remove(id), `container ${id} cannot be removed`)));
    await untilAborted(signal);
  }

  async #logged(work: Promise<unknown>, message: string): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#options.log.error({ err: error }, `${message}: ${messageOf(error)}`);
    }
  }
}

async function end(executor: Executor, container: ContainerState, task: Task | undefined): Promise<void> {
  const own = task?.spec.container;
  const grace = Math.min(LEAVE_GRACE_MS, own ? stopGrace(own) : LEAVE_GRACE_MS);
  if (container.status === 'running') await executor.stop(container.id, own?.stopSignal ?? '', grace);
  await executor.remove(container.id);
}
