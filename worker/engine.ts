import { join } from 'node:path';
import { deferred } from '../lib/async.js';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/log.js';
import type { Steps } from '../lib/steps.js';
import type { BalancerKind } from '../netlb/balancer/balancer.js';
import { NetworkPlane, type PlaneFigures } from '../netlb/plane.js';
import type { DesiredState, GatewayBridge } from '../netlb/state.js';
import type { NetworkRepair, NodeProblem } from '../proto/gen/index.js';
import { Containers, isRunning } from './containers/containers.js';
import { shortId } from './containers/names.js';
import type { SwarmPart } from './containers/swarm.js';
import { describedBy } from './events/described.js';
import type { LocalEvents } from './events/local-events.js';
import { TellingExecutor } from './events/telling-executor.js';
import { OciExecutor, type OciImageStore } from './executor/oci/index.js';
import { runTogether } from './group.js';
import { HealthMonitor, type HealthResults } from './health/monitor.js';
import { NetworkController } from './network/controller.js';
import { lostContainers, networkRepairs, nodeProblems, type SubjectNames, subjectNames } from './network/problems.js';
import { union } from './network/union.js';
import { Volumes } from './volumes/volumes.js';

export interface EngineOptions {
  readonly dataRoot: string;
  readonly runRoot: string;
  /** Opened by the daemon. */
  readonly images: OciImageStore;
  readonly cgroupParent: string;
  /** CIDR of the gateway bridge's address, which no local network may overlap; the first that is free when left out. */
  readonly gatewayBridge?: string | undefined;
  readonly balancer: BalancerKind;
  /** Where it is told what happens here. */
  readonly events: LocalEvents;
  readonly log: Logger;
  readonly clock: Clock;
}

export interface EngineFigures extends PlaneFigures {
  readonly containers: { readonly running: number; readonly stopped: number };
  readonly health: HealthResults;
  /** What of the network cannot be had now. */
  readonly problems: number;
}

/** What is open for as long as the engine runs. */
export interface EngineParts {
  readonly executor: TellingExecutor;
  readonly volumes: Volumes;
  /** Of containers of this machine and of tasks. */
  readonly health: HealthMonitor;
  readonly plane: NetworkPlane;
  readonly network: NetworkController;
  /** Containers and networks of this machine alone. */
  readonly containers: Containers;
}

/**
 * What every machine runs, in a swarm or not: the executor, the network, and the machine's own containers.
 * When it stops, or is killed, containers and network stay as they are, and the next one takes them back.
 */
export class Engine {
  readonly #options: EngineOptions;
  readonly #parts = deferred<EngineParts>();
  /** Whether it is known what the swarm wants: before that, the network is left as it was found. */
  readonly #settled = deferred<void>();
  #swarm: SwarmPart | undefined;
  #opened: EngineParts | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
    // Whoever waits for the parts learns of it; and `run` throws it.
    this.#parts.promise.catch(() => undefined);
  }

  /** The gateway bridge as it is, or shall be, while endpoints have both families. @throws TypeError before the engine is ready */
  get gatewayBridge(): GatewayBridge {
    if (!this.#opened) throw new TypeError('the engine is not ready');
    const { gatewayBridge, gatewayBridge6 } = this.#opened.containers.options;
    return { address: gatewayBridge, address6: gatewayBridge6 };
  }

  /** Resolves when the engine works. @throws when it could not be opened */
  ready(): Promise<EngineParts> {
    return this.#parts.promise;
  }

  /**
   * Resolves when the signal aborts.
   * @throws when a part of it cannot be opened, or breaks
   */
  async run(signal: AbortSignal): Promise<void> {
    let parts: EngineParts;
    try {
      parts = await this.#open();
    } catch (error) {
      this.#parts.reject(error);
      throw error;
    }
    const { executor, plane, network, containers } = parts;
    this.#parts.resolve(parts);
    try {
      await runTogether(signal, [
        (inner) => network.run(inner),
        (inner) => plane.run(inner),
        (inner) => containers.run(this.#settled.promise, inner),
        (inner) => executor.run(inner),
      ]);
    } finally {
      this.#options.events.close();
      await executor.close();
    }
  }

  /**
   * Begins or ends to have a swarm's part in this machine's network; ends with undefined. The network is not
   * touched before the first call. Resolves when the kernel shows it.
   */
  async setSwarm(swarm: SwarmPart | undefined): Promise<void> {
    const { network } = await this.ready();
    this.#swarm = swarm;
    this.#settled.resolve();
    await network.changed();
  }

  /** What of the network state cannot be had on this machine, and what of its containers is lost. */
  problems(): readonly NodeProblem[] {
    if (!this.#opened) return [];
    const { network, containers } = this.#opened;
    return [...nodeProblems(network.problems, this.#names()), ...lostContainers(containers.options.unreadable)];
  }

  /** What others had changed of its network, and was put back. */
  repairs(): readonly NetworkRepair[] {
    return networkRepairs(this.#opened?.plane.repairs ?? [], this.#names());
  }

  /**
   * Looks at its whole network now and puts right what differs.
   * @returns what that was
   * @throws when the kernel cannot be read
   */
  async repair(): Promise<readonly NetworkRepair[]> {
    const { plane } = await this.ready();
    return networkRepairs((await plane.repair()).repairs, this.#names());
  }

  /** Of containers of this machine, and of tasks. */
  counts(): { readonly running: number; readonly total: number } {
    const all = this.#opened?.containers.all() ?? [];
    return { running: all.filter(isRunning).length, total: all.length };
  }

  /** Undefined before it is ready. */
  figures(): EngineFigures | undefined {
    if (!this.#opened) return undefined;
    const { plane, network, health } = this.#opened;
    const { running, total } = this.counts();
    const problems = network.problems.length;
    return { containers: { running, stopped: total - running }, health: health.results, ...plane.figures, problems };
  }

  #names(): SubjectNames {
    const { containers } = this.#opened ?? {};
    const own = (containers?.networks.all() ?? []).map(({ id, spec }) => ({ id, name: spec.name }));
    return subjectNames({
      networks: [...own, ...(this.#swarm?.networks() ?? [])],
      containers: (containers?.records() ?? []).map(({ id, config }) => ({ sandbox: shortId(id), name: config.name })),
      tasks: this.#swarm?.tasks() ?? [],
    });
  }

  async #open(): Promise<EngineParts> {
    const { dataRoot, runRoot, images, cgroupParent, balancer, events, log, clock } = this.#options;
    const folders = { dataRoot: join(dataRoot, 'containers'), runRoot: join(runRoot, 'containers') };
    const volumes = await Volumes.open({ root: join(dataRoot, 'volumes'), clock, log });
    const [plane, oci] = await Promise.all([
      NetworkPlane.open({ runRoot, balancer, log, onReport: (report) => this.#opened?.network.reported(report) }),
      OciExecutor.open({ ...folders, images, volumes, cgroupParent, log, clock }),
    ]);
    const executor = new TellingExecutor(oci, {
      events,
      describe: (id) => this.#opened && describedBy(this.#opened.containers, id),
      clock,
      log,
    });
    // Checks are many, and told only where they come to another result.
    const onStatus = (id: string, status: string) => executor.tellHealth(id, status);
    const health = await HealthMonitor.open(join(runRoot, 'health'), { executor: oci, onStatus, clock, log });
    const network = new NetworkController({
      plane,
      desired: () => this.#desired(),
      onChange: () => this.#networkChanged(),
      clock,
      log,
    });
    const containers = await Containers.open({
      root: join(dataRoot, 'local'),
      gatewayBridge: this.#options.gatewayBridge,
      executor,
      health,
      plane,
      network,
      events,
      log,
      clock,
      swarm: () => this.#swarm,
    });
    this.#opened = { executor, volumes, health, plane, network, containers };
    return this.#opened;
  }

  *#desired(): Steps<DesiredState> {
    const local = this.#opened?.containers.desired() ?? { bridges: [], sandboxes: [], zones: [] };
    return union(local, this.#swarm && (yield* this.#swarm.desired()));
  }

  #networkChanged(): void {
    this.#opened?.containers.networkChanged();
    this.#swarm?.networkChanged();
  }
}
