import { join } from 'node:path';
import { allDone } from '../lib/async.js';
import type { Clock } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { NetworkPlane } from '../netlb/plane.js';
import { probeFeatures } from '../netlb/probe.js';
import {
  type NetworkRepair,
  Node,
  type NodeDescription,
  type NodeProblem,
  type SessionMessage,
  type Task,
} from '../proto/gen/index.js';
import type { Channel } from '../proto/rpc/client.js';
import type { NodeCredential } from '../proto/rpc/credentials.js';
import { Agent } from './agent/agent.js';
import { type Assignments, noAssignments } from './agent/assignments.js';
import { containerSettings } from './agent/container-settings.js';
import { TaskDatabase } from './agent/database.js';
import { readResolvConf } from './agent/resolv-conf.js';
import { StatusQueue } from './agent/status-queue.js';
import { TaskSet } from './agent/task-set.js';
import { describeNode } from './description.js';
import type { ContainerSettings, ContainerState, ImageStore } from './executor/executor.js';
import { OciExecutor, type OciImageStore } from './executor/oci/index.js';
import { runTogether, untilAborted } from './group.js';
import { LogPublisher } from './logs/log-publisher.js';
import { NetworkController } from './network/controller.js';
import { desiredState } from './network/desired-state.js';
import { networkRepairs, nodeProblems, type SubjectNames, subjectNames } from './network/problems.js';

export interface WorkerOptions {
  readonly dataRoot: string;
  readonly runRoot: string;
  /** Opened by the daemon: images are there before a node is in a swarm. */
  readonly images: OciImageStore;
  readonly cgroupParent: string;
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
  /** CIDR of the gateway bridge's address; 172.18.0.1/16 when left out. */
  readonly gatewayBridge?: string;
  readonly log: Logger;
  readonly clock: Clock;
  /** The managers that are to be tried after a restart, the last known good one first. */
  onManagers?(addresses: readonly string[]): void;
  /** The node's own object, as managers have it now. */
  onNode?(node: Node): void;
  /** Managers do not know this node, or no longer. */
  onRemoved?(): void;
}

const GATEWAY_BRIDGE = '172.18.0.1/16';
const LEAVE_GRACE_MS = 10_000;

/** What is open for as long as a worker runs. */
interface Parts {
  readonly database: TaskDatabase;
  readonly executor: OciExecutor;
  readonly plane: NetworkPlane;
}

/**
 * What every node of a swarm runs: it holds a session with a manager, runs the node's tasks and
 * keeps its network. When it stops, or is killed, containers and network stay as they are, and the
 * next one takes them back before it has heard from any manager.
 */
export class Worker {
  readonly images: ImageStore;
  readonly #options: WorkerOptions;
  readonly #stop = new AbortController();
  readonly #statuses = new StatusQueue();
  #running: Promise<void> = Promise.resolve();
  #plane: NetworkPlane | undefined;
  #tasks: TaskSet | undefined;
  #network: NetworkController | undefined;
  #agent: Agent | undefined;
  #assignments: Assignments = noAssignments;
  #node: Node;
  #dataPathPort: number;
  #description: NodeDescription | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
    this.images = options.images;
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

  /** Whether a manager answers. */
  get connected(): boolean {
    return this.#agent?.connected ?? false;
  }

  /** This machine as managers are told of it; undefined until it runs. */
  get description(): NodeDescription | undefined {
    return this.#description;
  }

  containers(): { readonly running: number; readonly total: number } {
    return this.#tasks?.counts() ?? { running: 0, total: 0 };
  }

  /** What of the network state cannot be had on this node. */
  problems(): readonly NodeProblem[] {
    return nodeProblems(this.#network?.problems ?? [], this.#subjectNames());
  }

  /** What others had changed of its network, and was put back. */
  repairs(): readonly NetworkRepair[] {
    return networkRepairs(this.#plane?.repairs ?? [], this.#subjectNames());
  }

  /**
   * Looks at its whole network now and puts right what differs.
   * @returns what that was
   * @throws when the kernel cannot be read
   */
  async repair(): Promise<readonly NetworkRepair[]> {
    const done = await this.#plane?.repair();
    return networkRepairs(done?.repairs ?? [], this.#subjectNames());
  }

  #subjectNames(): SubjectNames {
    return subjectNames(this.#assignments, (id) => this.#tasks?.get(id));
  }

  /**
   * Takes the node out of its swarm: stops and removes all tasks, the network and what is kept on disk.
   * @throws when a container cannot be removed: the others are, network and records stay, and it can be called again
   */
  async leave(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    const { executor, plane, database } = await this.#open();
    try {
      const tasks = new Map((await database.tasks()).map(({ task }) => [task.id, task]));
      const containers = await executor.list();
      await allDone(containers.map((container) => end(executor, container, tasks.get(container.id))));
    } finally {
      await executor.close();
    }
    await plane.destroy();
    await database.destroy();
  }

  async #open(): Promise<Parts> {
    const { dataRoot, runRoot, images, cgroupParent, log, clock } = this.#options;
    const containers = { dataRoot: join(dataRoot, 'containers'), runRoot: join(runRoot, 'containers') };
    // It holds namespaces open, so there is one for as long as this object lives.
    this.#plane ??= await NetworkPlane.open({ runRoot, log, onReport: (report) => this.#network?.reported(report) });
    return {
      database: await TaskDatabase.open(join(dataRoot, 'worker'), log),
      executor: await OciExecutor.open({ ...containers, images, cgroupParent, log, clock }),
      plane: this.#plane,
    };
  }

  async #run(signal: AbortSignal): Promise<void> {
    const parts = await this.#open();
    try {
      await this.#runParts(parts, signal);
    } finally {
      await parts.executor.close();
    }
  }

  async #runParts(parts: Parts, signal: AbortSignal): Promise<void> {
    const { log, clock } = this.#options;
    const { database, executor, plane } = parts;
    this.#assignments = await database.assignments();
    this.#node = (await database.node()) ?? this.#node;
    const description = await this.#describe(executor.runtime);
    this.#description = description;

    const network = new NetworkController({
      plane,
      desired: () => this.#desiredState(),
      onChange: () => this.#networkChanged(),
      clock,
      log,
    });
    const tasks = this.#taskSet(parts, network, description);
    const agent = this.#newAgent(parts, network, tasks, description);
    this.#network = network;
    this.#tasks = tasks;
    this.#agent = agent;

    const strays = await tasks.adopt(this.#assignments);
    void network.changed();
    await runTogether(signal, [
      (inner) => network.run(inner),
      (inner) => plane.run(inner),
      (inner) => tasks.run(inner),
      (inner) => agent.run(inner),
      (inner) => this.#removeStrays(executor, strays, inner),
    ]);
  }

  async #describe(runtime: string): Promise<NodeDescription> {
    const { hostname, labels, version } = this.#options;
    return describeNode({ hostname, labels, version, runtime, balancer: 'nft', features: probeFeatures() });
  }

  #taskSet({ executor, database, plane }: Parts, network: NetworkController, description: NodeDescription): TaskSet {
    const { clock, log } = this.#options;
    return new TaskSet({
      executor,
      database,
      statuses: this.#statuses,
      clock,
      log,
      sandbox: (local) => network.sandbox(local),
      settings: (task, files) => this.#settings(task, files, description, plane.namespacePath(task.id)),
      onNetworkChange: () => void network.changed(),
    });
  }

  #newAgent(
    { executor, database }: Parts,
    network: NetworkController,
    tasks: TaskSet,
    description: NodeDescription,
  ): Agent {
    const { managers, credential, nodeId, dataPathAddress, clock, log } = this.#options;
    const logs = new LogPublisher({ executor, nodeId, task: (id) => tasks.get(id)?.task, clock, log });
    return new Agent({
      managers,
      credential,
      clock,
      log,
      onManagers: (addresses) => this.#options.onManagers?.(addresses),
      onRemoved: () => this.#options.onRemoved?.(),
      onSession: (message) => this.#sessionMessage(message, database, network),
      node: {
        description,
        dataPathAddress,
        statuses: this.#statuses,
        problems: () => this.problems(),
        onAssignments: (assignments) => this.#assigned(assignments, database, network, tasks),
        serve: (channel: Channel, sessionId, signal) => {
          tasks.reportAll();
          return logs.run(channel, sessionId, signal);
        },
      },
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
    database: TaskDatabase,
    network: NetworkController,
    tasks: TaskSet,
  ): Promise<void> {
    this.#assignments = assignments;
    void this.#logged(database.saveAssignments(assignments), 'assignments cannot be saved');
    tasks.assign(assignments);
    return network.changed();
  }

  #networkChanged(): void {
    this.#tasks?.wakeAll();
    this.#agent?.problemsChanged();
  }

  #desiredState() {
    const { dataPathAddress, gatewayBridge, nodeId } = this.#options;
    return desiredState(this.#assignments, this.#tasks?.local() ?? [], {
      id: nodeId,
      dataPathAddress,
      dataPathPort: this.#dataPathPort,
      gatewayBridge: gatewayBridge ?? GATEWAY_BRIDGE,
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
  async #removeStrays(executor: OciExecutor, strays: readonly ContainerState[], signal: AbortSignal): Promise<void> {
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

async function end(executor: OciExecutor, container: ContainerState, task: Task | undefined): Promise<void> {
  const { stopSignal, stopGracePeriod } = task?.spec.container ?? {};
  const grace = Math.min(LEAVE_GRACE_MS, (stopGracePeriod ?? LEAVE_GRACE_MS * 1e6) / 1e6);
  if (container.status === 'running') await executor.stop(container.id, stopSignal ?? '', grace);
  await executor.remove(container.id);
}
