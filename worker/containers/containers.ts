import { setMaxListeners } from 'node:events';
import { Serial } from '../../lib/async.js';
import type { Clock } from '../../lib/clock.js';
import { checkDnsConfig } from '../../lib/dns-config.js';
import { failedPrecondition, messageOf, notFound } from '../../lib/errors.js';
import { checkHealthConfig } from '../../lib/health-config.js';
import type { Logger } from '../../lib/log.js';
import { readListeners } from '../../netlb/kernel/listeners.js';
import { NetNamespace } from '../../netlb/kernel/namespace.js';
import type { NetworkPlane } from '../../netlb/plane.js';
import {
  type ContainerConfig,
  ContainerGoal,
  type LocalNetwork,
  type NetworkSpec,
  RunPhase,
  StoredContainer,
  type Task,
} from '../../proto/gen/index.js';
import { taskName } from '../../proto/task-names.js';
import { AttachmentsClient } from '../agent/attachments.js';
import { isAttachment, isTerminal, type LocalTask } from '../agent/local-task.js';
import type { SandboxView } from '../agent/next-step.js';
import { readResolvConf } from '../agent/resolv-conf.js';
import type { LocalEvents } from '../events/local-events.js';
import { networkHappening, tellingStore } from '../events/networks.js';
import type { ContainerSettings } from '../executor/executor.js';
import { untilAborted } from '../group.js';
import type { HealthMonitor } from '../health/monitor.js';
import type { NetworkController } from '../network/controller.js';
import type { LocalState } from '../network/union.js';
import { isWired, localState } from './desired.js';
import { Detachments } from './detachments.js';
import { checkMac, networkMode } from './endpoints.js';
import { chooseGatewayBridge } from './gateway-bridge.js';
import { networksOf, Quarters } from './housing.js';
import { gatewayBridgeAddresses, machineClaims, machineLinks } from './machine.js';
import { isLocalId, NewNames, newLocalId, shortId } from './names.js';
import { claimsOf, LocalNetworks } from './networks.js';
import { exposedPort } from './ports.js';
import { findRef, type Named } from './refs.js';
import { atDaemonStart, checkRestart } from './restart.js';
import { ContainerRunner } from './runner.js';
import type { ContainerExecutor, Housing, RunnerContext } from './runner-context.js';
import { localSettings } from './settings.js';
import { openStores, type Store } from './store.js';
import { publishedBySwarm, type SwarmPart } from './swarm.js';

export interface ContainersOptions {
  /** Folder of the records. */
  readonly root: string;
  /** CIDR of the gateway bridge's address; undefined: the first that is free. */
  readonly gatewayBridge: string | undefined;
  readonly executor: ContainerExecutor;
  readonly health: Pick<HealthMonitor, 'of' | 'watch' | 'forget'>;
  readonly plane: Pick<NetworkPlane, 'namespacePath'>;
  readonly network: Pick<NetworkController, 'view' | 'changed'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly events: LocalEvents;
  /** Undefined when the machine is in none. */
  swarm(): SwarmPart | undefined;
}

interface Settings extends ContainersOptions {
  readonly gatewayBridge: string;
  /** The same for IPv6: used while an endpoint has IPv6. */
  readonly gatewayBridge6: string;
  /** By id, the damaged records of containers that are lost by it: what those have written is a person's to save. */
  readonly unreadable: ReadonlyMap<string, string>;
}

/** A container of this machine, or one of a task of the swarm. */
export type AnyContainer =
  | (Named & { readonly kind: 'local'; readonly runner: ContainerRunner })
  | (Named & { readonly kind: 'task'; readonly local: LocalTask });

export const isRunning = (found: AnyContainer): boolean =>
  found.kind === 'local'
    ? found.runner.running
    : !isTerminal(found.local.status.state) && (found.local.status.container?.pid ?? 0) > 0;

/** The containers of this machine alone, each with its runner, and the networks they are in. */
export class Containers {
  readonly options: Settings;
  readonly networks: LocalNetworks;
  readonly quarters: Quarters;
  readonly attachments: AttachmentsClient;
  readonly #store: Store<StoredContainer>;
  readonly #runners = new Map<string, ContainerRunner>();
  readonly #running = new Set<Promise<void>>();
  readonly #names = new NewNames();
  readonly #detachments: Detachments;
  readonly #listeners: (() => void)[] = [];
  /** Networks are made and removed one at a time. */
  readonly networkChanges = new Serial();
  #signal: AbortSignal | undefined;

  private constructor(options: Settings, store: Store<StoredContainer>, networks: LocalNetworks) {
    this.options = options;
    this.#store = store;
    this.networks = networks;
    this.attachments = new AttachmentsClient(options.clock);
    this.#detachments = new Detachments(this.attachments, options.log);
    this.quarters = new Quarters({
      networks,
      attachments: this.attachments,
      inSwarm: () => options.swarm() !== undefined,
      containers: () => this.records(),
      published: () => publishedBySwarm(options.swarm()),
      listeners: () => readListeners(NetNamespace.self()),
    });
  }

  /** Takes back what an earlier daemon left; containers that were being made when it ended are removed. */
  static async open(options: ContainersOptions): Promise<Containers> {
    const { root, executor, clock, log } = options;
    const stores = await openStores(root, log);
    const claims = [...claimsOf(await stores.networks.all()), ...machineClaims()];
    const { address: gatewayBridge, address6: gatewayBridge6 } = chooseGatewayBridge(
      options.gatewayBridge,
      gatewayBridgeAddresses(),
      claims,
    );
    const networks = await LocalNetworks.open({
      store: stores.networks,
      gatewayBridge,
      clock,
      claims: machineClaims,
      links: machineLinks,
    });
    const [records, states] = await Promise.all([stores.containers.all(), executor.list()]);
    const unreadable = await stores.containers.unreadable();
    const byId = new Map(states.map((state) => [state.id, state]));
    const settings = { ...options, gatewayBridge, gatewayBridge6, unreadable };
    const containers = new Containers(settings, stores.containers, networks);
    for (const record of records) containers.#add(atDaemonStart(record), byId.get(record.id));
    containers.quarters.load();
    const strays = states.filter(({ id }) => isLocalId(id) && !containers.#runners.has(id) && !unreadable.has(id));
    await Promise.all(strays.map(({ id }) => containers.#removeStray(id)));
    return containers;
  }

  /** @param settled resolves when the machine's network may be changed */
  async run(settled: Promise<void>, signal: AbortSignal): Promise<void> {
    await Promise.race([settled, untilAborted(signal)]);
    setMaxListeners(0, signal);
    this.#signal = signal;
    this.#detachments.begin(signal);
    for (const runner of this.#runners.values()) this.#start(runner, signal);
    await untilAborted(signal);
    await Promise.all(this.#running);
  }

  records(): readonly StoredContainer[] {
    return [...this.#runners.values()].map(({ record }) => record);
  }

  record(id: string): StoredContainer | undefined {
    return this.#runners.get(id)?.record;
  }

  /** Of this machine, and of tasks that have one. */
  all(): readonly AnyContainer[] {
    const locals = [...this.#runners.values()].map(
      (runner): AnyContainer => ({ kind: 'local', id: runner.record.id, name: runner.record.config.name, runner }),
    );
    const tasks = (this.options.swarm()?.tasks() ?? [])
      .filter(({ task, status }) => !isAttachment(task) && status.container !== undefined)
      .map((local): AnyContainer => ({ kind: 'task', id: local.task.id, name: taskName(local.task), local }));
    return [...locals, ...tasks];
  }

  /** @throws NOT_FOUND, FAILED_PRECONDITION when several fit */
  find(ref: string): AnyContainer {
    const found = findRef('container', this.all(), ref);
    if (!found) throw notFound(`No such container: ${ref}`, { value: ref });
    return found;
  }

  desired(): LocalState {
    return localState(this.records(), this.networks.bridges());
  }

  networkChanged(): void {
    for (const runner of this.#runners.values()) runner.wake();
    for (const tell of this.#listeners.splice(0)) tell();
  }

  onceNetworkChanged(tell: () => void): void {
    this.#listeners.push(tell);
  }

  /** To be waited for before it is attached: an attachment on its way out must not be taken for the new one. */
  left({ id }: StoredContainer): Promise<void> {
    return this.#detachments.told(id);
  }

  /** Endpoints that a container has no more. */
  giveBack(record: StoredContainer, endpoints: StoredContainer['endpoints']): void {
    for (const taskId of this.quarters.detach(record, endpoints)) this.#detachments.tell(taskId, record.id);
  }

  /** On disk, and with all that can be had before its start, when it resolves. @throws and leaves nothing */
  async create(config: ContainerConfig, signal: AbortSignal): Promise<StoredContainer> {
    checkRestart(config);
    checkDnsConfig(config.container.dns);
    if (config.container.healthcheck) checkHealthConfig(config.container.healthcheck);
    for (const { mac } of config.networks) checkMac(mac);
    const networks = this.#normalized(config);
    const name = this.#names.claim(config.name, (taken) => this.all().find((container) => container.name === taken));
    const record = StoredContainer.create({
      id: newLocalId(),
      createdAt: this.options.clock.now(),
      config: { ...config, name, networks },
    });
    try {
      for (const asked of networksOf(record)) this.quarters.reserve(record, asked);
      return await this.#prepare(record, signal);
    } catch (error) {
      this.quarters.unreserve(record);
      throw error;
    } finally {
      this.#names.release(name);
    }
  }

  /** It is in the kernel when it resolves, unless that has a problem with it. @throws as LocalNetworks.create */
  async createNetwork(spec: NetworkSpec): Promise<LocalNetwork> {
    const network = await this.networkChanges.run(async () => {
      const made = await this.networks.create(spec);
      this.quarters.book.add(made);
      return made;
    });
    this.options.events.tell(networkHappening('create', network));
    await this.options.network.changed();
    return network;
  }

  /** What managers have on this node for containers that do not have it any more, they are told. */
  assigned(tasks: Iterable<Task>): void {
    for (const { id, spec } of tasks) {
      const { containerId } = spec.attachment ?? {};
      if (containerId === undefined || this.#holds(containerId, id)) continue;
      const runner = this.#runners.get(containerId);
      // It may be on its way into the record.
      const settled = runner ? runner.settled() : Promise.resolve();
      void settled.then(() => {
        if (!this.#holds(containerId, id)) this.#detachments.tell(id, containerId);
      });
    }
  }

  #holds(containerId: string, taskId: string): boolean {
    return this.record(containerId)?.endpoints.some((endpoint) => endpoint.taskId === taskId) ?? false;
  }

  /** Endpoints in the swarm's networks go; the containers go on. */
  async leaveSwarm(): Promise<void> {
    const attached = [...this.#runners.values()].filter(({ record }) => record.endpoints.some(isOfSwarm));
    const without = async (record: StoredContainer) => ({
      ...record,
      endpoints: record.endpoints.filter((endpoint) => !isOfSwarm(endpoint)),
    });
    const leave = async (runner: ContainerRunner) => {
      try {
        await runner.change(without);
      } catch (error) {
        // One that is being removed takes its endpoints along.
        if (runner.record.goal !== ContainerGoal.REMOVE) throw error;
      }
    };
    await Promise.all(attached.map(leave));
  }

  /** One that cannot be removed now keeps nobody from the others: the next daemon tries again. */
  async #removeStray(id: string): Promise<void> {
    const { executor, log } = this.options;
    try {
      await executor.remove(id);
    } catch (error) {
      log.error(
        { container: id, err: error },
        `container ${shortId(id)}, of which there is no record, stays: ${messageOf(error)}`,
      );
    }
  }

  #normalized({ networks, ...config }: ContainerConfig) {
    const mode = networkMode({ ...config, networks });
    if (mode.kind === 'container') {
      const target = this.find(mode.ref);
      if (target.kind === 'task') {
        throw failedPrecondition(`container ${target.name} is of a task: its network cannot be shared`, {
          value: mode.ref,
        });
      }
      return networks.map((asked) => ({ ...asked, network: `container:${target.id}` }));
    }
    const inSwarm = this.options.swarm() !== undefined;
    return networks.map((asked) => {
      const local = this.quarters.local(asked.network);
      if (!local && !inSwarm) throw notFound(`network ${asked.network} not found`, { value: asked.network });
      return local ? { ...asked, network: local.spec.name } : asked;
    });
  }

  async #prepare(record: StoredContainer, signal: AbortSignal): Promise<StoredContainer> {
    const { executor } = this.options;
    await executor.prepare(await this.settings(record), signal);
    try {
      const { imageId, command, exposedPorts } = await executor.facts(record.id);
      const exposed = exposedPorts.map(exposedPort).filter((port) => port !== undefined);
      const complete = { ...record, imageId, command, exposed };
      await this.#store.put(complete);
      const runner = this.#add(complete, await executor.inspect(record.id));
      if (this.#signal) this.#start(runner, this.#signal);
      return complete;
    } catch (error) {
      await executor.remove(record.id);
      throw error;
    }
  }

  #add(record: StoredContainer, container: ConstructorParameters<typeof ContainerRunner>[2]): ContainerRunner {
    const runner = new ContainerRunner(this.#context(record), record, container);
    this.#runners.set(record.id, runner);
    return runner;
  }

  #start(runner: ContainerRunner, signal: AbortSignal): void {
    const running = runner.run(signal).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  #context(stored: StoredContainer): RunnerContext {
    const { executor, health, network, events, clock, log } = this.options;
    return {
      executor,
      health,
      store: tellingStore(this.#store, stored, events),
      clock,
      log,
      house: (record, signal) => this.#house(record, signal),
      release: (record, endpoints) => {
        for (const taskId of this.quarters.release(record, endpoints)) this.#detachments.tell(taskId, record.id);
      },
      sandbox: (record) => this.sandbox(record),
      settings: (record) => this.settings(record),
      networkChanged: () => network.changed(),
      gone: async (record) => {
        this.quarters.unreserve(record);
        this.#runners.delete(record.id);
        await health.forget(record.id);
      },
    };
  }

  /** Its network namespace, as the last report of the data plane has it. */
  sandbox(record: StoredContainer): SandboxView {
    const { kind } = networkMode(record.config);
    if (kind === 'host' || kind === 'container') return { state: 'ready' };
    const wired = record.endpoints.filter(({ endpoint }) => isWired(endpoint));
    return this.options.network.view({
      sandbox: shortId(record.id),
      networks: wired.map(({ endpoint }) => endpoint.networkId),
      running: record.phase === RunPhase.RUNNING,
      awaited: record.phase === RunPhase.STARTING || record.phase === RunPhase.RUNNING,
    });
  }

  /** What its container is made from, as its networks are now. */
  async settings(record: StoredContainer): Promise<ContainerSettings> {
    const mode = networkMode(record.config);
    const host = mode.kind === 'container' ? this.#runners.get(mode.ref)?.record : undefined;
    return localSettings(record, {
      resolvers: await readResolvConf(),
      namespacePath: (sandboxId) => this.options.plane.namespacePath(sandboxId),
      host,
    });
  }

  async #house(record: StoredContainer, signal: AbortSignal): Promise<Housing> {
    await this.left(record);
    return this.quarters.house(record, signal);
  }
}

const isOfSwarm = ({ taskId }: StoredContainer['endpoints'][number]): boolean => taskId !== '';
