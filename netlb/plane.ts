import { rmdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Serial } from '../lib/async.js';
import { type Clock, systemClock } from '../lib/clock.js';
import { Distribution, type DistributionCounts } from '../lib/distribution.js';
import { errnoOf, messageOf } from '../lib/errors.js';
import { keepEqual } from '../lib/keep-equal.js';
import type { Logger } from '../lib/log.js';
import { Slices } from '../lib/slices.js';
import type { Balancer, BalancerKind } from './balancer/balancer.js';
import { type BalancerChoice, chooseBalancer } from './balancer/choose.js';
import type { PortStatistics } from './balancer/statistics.js';
import { blueprintSteps } from './blueprint/blueprint.js';
import { encryptedVnis } from './blueprint/encryption.js';
import type { Facts, KernelFacts } from './blueprint/facts.js';
import { Resolvers } from './dns/resolvers.js';
import { whyNoEncryption } from './esp-probe.js';
import { isKernelError } from './kernel/errors.js';
import { prewarmThreadPool } from './kernel/namespace.js';
import { TABLE_MAIN } from './kernel/routes.js';
import { deleteGroup, deleteRoute } from './kernel/rtnetlink.js';
import { LINK_GROUP, NAMESPACE_DIRECTORY, NODE_NAMESPACE, ROUTE_PROTOCOL } from './names.js';
import type { Operation } from './plan/operation.js';
import { planSteps } from './plan/plan.js';
import { doneIn } from './plan/words.js';
import { Contested, publishedBy } from './reconcile/contested.js';
import { earlyOperations } from './reconcile/early.js';
import { execute } from './reconcile/execute.js';
import { factsOf } from './reconcile/facts.js';
import { NamespaceHandles } from './reconcile/handles.js';
import { hasBridgeFilter, hasNetdevEgress } from './reconcile/hooks.js';
import { Memory } from './reconcile/memory.js';
import { Pace } from './reconcile/pace.js';
import { Repairs } from './reconcile/repairs.js';
import { statisticsOf } from './reconcile/statistics.js';
import { DriftWatch } from './reconcile/watch.js';
import type { ApplyProblem, ApplyReport, DesiredState, Repair, Sandbox } from './state.js';

export interface NetworkPlaneOptions {
  /** Namespaces are files under `<runRoot>/netns/`. Two planes in one node need two. */
  readonly runRoot: string;
  readonly log: Logger;
  /** What spreads connections over backends; `nft` unless given. */
  readonly balancer?: BalancerChoice;
  /** Called after every pass that does not throw, and after looks for drift that do. */
  readonly onReport?: (report: ApplyReport) => void;
  /** Milliseconds between two looks for drift; 3000 unless given. */
  readonly driftIntervalMs?: number;
  /**
   * Whether tasks see the address of a published port's client. It needs the netdev egress hook, and all
   * nodes of a swarm alike: false where a node of the swarm has an older kernel. As probed unless given.
   */
  readonly keepClientAddress?: boolean;
  /** The resolv.conf(5) that names the node's own servers; /etc/resolv.conf unless given. */
  readonly nodeResolvConf?: string;
  readonly clock?: Clock;
}

export interface PlaneFigures {
  readonly passes: DistributionCounts;
  /** Changes of the kernel. */
  readonly operations: number;
  /** Those of them that put back what others had changed. */
  readonly repairs: number;
}

const PASS_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

const noDetails = () => ({});

interface Round {
  readonly problems: readonly ApplyProblem[];
  readonly done: readonly Operation[];
  /** Every operation was done. */
  readonly complete: boolean;
  /** Nothing that was remembered of an earlier reading had a part in it. */
  readonly current: boolean;
  /** The kernel was not as it was thought to be, or is not as it shall be. */
  readonly doubtful: boolean;
  /** The rules of an encrypted overlay are new: it can only be made now. Or the namespace that a resolver waits for is. */
  readonly unresolved: boolean;
}

/**
 * Makes a node's network what a DesiredState says, and keeps it so. The node is the network namespace of
 * the process. It is level-triggered: each pass compares what shall be with what the kernel shows, plans the
 * difference and does it, so that a restart, a crash, a lost message and a hand-deleted rule are all mended
 * the same way, and what is right is left as it is. What a pass has read serves the next ones too, except
 * for what they change; the first pass and each pass after a problem read everything, and looks for drift read it
 * in turns: a pass follows one that finds something changed.
 */
export class NetworkPlane {
  readonly #log: Logger;
  readonly #handles: NamespaceHandles;
  readonly #memory: Memory;
  readonly #balancer: Balancer;
  readonly #kernel: KernelFacts;
  readonly #onReport: (report: ApplyReport) => void;
  readonly #watch: DriftWatch;
  readonly #pace: Pace;
  readonly #serial = new Serial();
  readonly #repairs: Repairs;
  readonly #passes = new Distribution(PASS_SECONDS);
  #operations = 0;
  readonly #resolvers: Resolvers;
  readonly #contested = new Contested();
  #desired: DesiredState | undefined;
  /** What the kernel was brought to last, but for problems. */
  #reached: DesiredState | undefined;
  /** The kernel is as `#reached` says, as far as is known. */
  #settled = false;
  #hasEncryption = false;
  #queued: Promise<ApplyReport> | undefined;
  /** Problems of the last pass as one text: they are logged when they change. */
  #known = '[]';

  /**
   * @throws KernelError without the right to make namespaces, FAILED_PRECONDITION for the balancer `ipvs`
   * on a kernel without it
   */
  static async open(options: NetworkPlaneOptions): Promise<NetworkPlane> {
    await prewarmThreadPool();
    const directory = join(options.runRoot, NAMESPACE_DIRECTORY);
    await mkdir(directory, { recursive: true, mode: 0o755 });
    const has = { egress: hasNetdevEgress(), bridge: hasBridgeFilter() };
    return new NetworkPlane(options, directory, chooseBalancer(options.balancer ?? 'nft'), has);
  }

  private constructor(
    options: NetworkPlaneOptions,
    directory: string,
    balancer: Balancer,
    has: { readonly egress: boolean; readonly bridge: boolean },
  ) {
    this.#log = options.log;
    this.#handles = new NamespaceHandles(directory);
    this.#balancer = balancer;
    const clientAddress = options.keepClientAddress === false ? 'hidden' : has.egress ? 'kept' : 'lost';
    this.#kernel = { clientAddress, bridgeFilter: has.bridge };
    this.#onReport = options.onReport ?? (() => undefined);
    const clock = options.clock ?? systemClock;
    this.#memory = new Memory(this.#handles, clock);
    this.#watch = new DriftWatch(clock, options.driftIntervalMs ?? 3000);
    this.#pace = new Pace(clock);
    this.#repairs = new Repairs(clock);
    this.#resolvers = new Resolvers(options.log, options.nodeResolvConf ?? '/etc/resolv.conf');
  }

  /** What spreads the connections to published ports. */
  get balancer(): BalancerKind {
    return this.#balancer.kind;
  }

  /** The file that names a sandbox's network namespace. It is there once `apply` has reported without problem. */
  namespacePath(sandboxId: string): string {
    return this.#handles.path(sandboxId);
  }

  /**
   * Makes the network so. One pass runs at a time; when several wait, all get the report of one pass with
   * the newest desired state.
   * @throws when the kernel cannot be read: nothing was done
   */
  apply(desired: DesiredState): Promise<ApplyReport> {
    this.#desired = desired;
    this.#queued ??= this.#serial.run(async () => {
      this.#queued = undefined;
      return this.#pace.measure(() => this.#pass());
    });
    return this.#queued;
  }

  /**
   * Milliseconds for which it is better to gather changes before the next `apply`, when nothing waits for them: so
   * passes take a third of the time at most.
   */
  get rest(): number {
    return this.#pace.rest;
  }

  /** What others had changed and was put back, the newest last. */
  get repairs(): readonly Repair[] {
    return this.#repairs.recent;
  }

  /** Passes in seconds, and what they have changed, since this plane was opened. */
  get figures(): PlaneFigures {
    return { passes: this.#passes.counts(), operations: this.#operations, repairs: this.#repairs.total };
  }

  /**
   * The published ports as this node balances them, with what the kernel has counted; empty before the first `apply`.
   * It waits for no pass.
   * @throws KernelError
   */
  async statistics(): Promise<readonly PortStatistics[]> {
    const published = this.#reached?.ingress?.services ?? [];
    return statisticsOf(published, this.#balancer.kind, this.#handles.directory, new Slices());
  }

  /**
   * Looks at everything in the kernel now, and puts right what differs.
   * @returns what that was, and what could not be put right; nothing before the first `apply`
   * @throws when the kernel cannot be read
   */
  async repair(): Promise<{ readonly repairs: readonly Repair[]; readonly problems: readonly ApplyProblem[] }> {
    return this.#serial.run(async () => {
      this.#memory.forget();
      const before = new Set(this.repairs);
      const { problems } = await this.#pass();
      return { repairs: this.repairs.filter((repair) => !before.has(repair)), problems };
    });
  }

  /** Repairs what others change, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    if (!this.#memory.hearing.start(signal))
      this.#log.info({}, 'without CAP_NET_BROADCAST changes in many namespaces are found in turns alone');
    await this.#watch.run(signal, async () => {
      try {
        if (this.#desired && (await this.#serial.run(() => this.#looks()))) await this.apply(this.#desired);
      } catch (error) {
        // The next look tries again.
        this.#onReport({
          problems: [{ subject: { kind: 'node', id: '' }, message: messageOf(error) }],
          operations: 0,
          details: noDetails,
        });
      }
    });
  }

  /** Whether a pass may find something to do: where there are problems it is to see whether they last. */
  async #looks(): Promise<boolean> {
    try {
      const differs = await this.#memory.differs(this.#watch.interval, new Slices());
      const { ports } = this.#resolvers;
      const isServed = ({ id, resolver }: Sandbox) => !resolver || ports.has(id);
      return differs || !this.#settled || !this.#reached?.sandboxes.every(isServed);
    } catch (error) {
      this.#memory.forget();
      throw error;
    }
  }

  /** Removes every object of ours from this node: namespaces, links, tables. What they held open is cut. */
  destroy(): Promise<void> {
    this.#desired = undefined;
    this.#reached = undefined;
    return this.#serial.run(async () => {
      const slices = new Slices();
      this.#memory.forget();
      // Their sockets keep namespaces alive.
      await this.#resolvers.close();
      const { actual } = await this.#memory.read(slices);
      const encryption = { associations: [], policies: [] };
      const nothing = { namespaces: [], spared: new Set<string>(), encryption, problems: [] };
      const { operations } = await slices.run(planSteps(nothing, actual));
      // The node's own namespace is not ours to remove: it is cleared below.
      const others = operations.filter(
        ({ namespace, subject }) => namespace !== NODE_NAMESPACE || subject.kind === 'encryption',
      );
      const { problems } = await execute(others, this.#handles, this.#memory, slices);
      for (const { message } of problems) this.#log.warn({ message }, 'namespace not removed');
      this.#clearNode([...(actual.namespaces.get(NODE_NAMESPACE)?.tables.keys() ?? [])]);
      this.#handles.closeAll();
      removeIfEmpty(this.#handles.directory);
    });
  }

  async #pass(): Promise<ApplyReport> {
    const begun = performance.now();
    const report = await this.#watch.own(() => this.#memory.hearing.during(() => this.#reconcile()));
    this.#passes.observe((performance.now() - begun) / 1000);
    this.#operations += report.operations;
    this.#logProblems(report.problems);
    this.#onReport(report);
    return report;
  }

  async #reconcile(): Promise<ApplyReport> {
    if (!this.#desired) return { problems: [], operations: 0, details: noDetails };
    const slices = new Slices();
    // What is as it was is the same object: what was told from it need not be told again.
    const desired = keepEqual(this.#reached, this.#desired);
    await slices.pause();
    try {
      const first = await this.#round(desired, slices);
      if (!first.doubtful && !first.unresolved) return this.#told(desired, first);
      if (first.doubtful) {
        // A problem may come of what was remembered: the kernel itself has the last word.
        this.#memory.forget();
        if (first.current && !first.unresolved) return this.#told(desired, first);
      }
      const second = await this.#round(desired, slices);
      if (second.doubtful) this.#memory.forget();
      return this.#told(desired, { ...second, done: [...first.done, ...second.done] });
    } catch (error) {
      this.#settled = false;
      this.#memory.forget();
      this.#log.error({ error: error instanceof Error ? error.stack : error }, 'network state cannot be read');
      throw error;
    }
  }

  #told(desired: DesiredState, { problems, done, complete, doubtful }: Round): ApplyReport {
    this.#reached = desired;
    this.#settled = problems.length === 0 && !doubtful;
    for (const { subject, message } of this.#repairs.note(desired, done, complete))
      this.#log.warn({ subject }, `put back: ${message}`);
    return { problems, operations: done.length, details: () => doneIn(done) };
  }

  /** Reads, plans, does. */
  async #round(desired: DesiredState, slices: Slices): Promise<Round> {
    const { actual, current, made } = await this.#read(desired, slices);
    // First, for what is no longer wanted holds its namespace.
    const namespaceOf = (id: string) => (actual.namespaces.has(id) ? this.#handles.get(id).namespace : undefined);
    const unanswered = await this.#resolvers.apply(desired, namespaceOf, slices);
    const { ports } = this.#resolvers;
    const published = publishedBy(desired);
    const listeners = this.#contested.name(this.#memory.listeners(published), published);
    const facts = factsOf(desired, actual, this.#kernel, listeners, ports, this.#noEncryption(desired));
    const wanted = await slices.run(blueprintSteps(desired, facts, this.#balancer));
    const { operations, problems } = await slices.run(planSteps(wanted, actual));
    const { problems: failures, done } = await execute(operations, this.#handles, this.#memory, slices);
    for (const operation of [...made, ...operations]) this.#log.debug({ ...operation }, 'network operation');
    return {
      problems: [...unanswered, ...wanted.problems, ...problems, ...failures],
      done: [...made, ...done],
      complete: failures.length === 0,
      current,
      unresolved:
        desired.sandboxes.some(({ id, resolver }) => resolver && !ports.has(id) && !actual.namespaces.has(id)) ||
        awaitsRules(desired, facts),
      doubtful:
        unanswered.length > 0 ||
        wanted.namespaces === undefined ||
        problems.length > 0 ||
        failures.length > 0 ||
        (desired.underlay !== undefined && facts.underlayMtu === undefined),
    };
  }

  /** What the kernel shows once the namespaces are `made` that resolvers wait for; one that could not be is in the plan again. */
  async #read(desired: DesiredState, slices: Slices) {
    const first = await this.#memory.read(slices);
    const { done: made } = await execute(earlyOperations(desired, first.actual), this.#handles, this.#memory, slices);
    const { actual } = made.length > 0 ? await this.#memory.read(slices) : first;
    return { actual, current: first.current, made };
  }

  /** Tried when it is first needed, and again while the kernel has not what it takes: modules are loaded later. */
  #noEncryption({ overlays }: DesiredState): string | undefined {
    if (this.#hasEncryption || !overlays.some(({ encrypted }) => encrypted)) return undefined;
    const reason = whyNoEncryption();
    this.#hasEncryption = reason === undefined;
    return reason;
  }

  #clearNode(tables: readonly string[]): void {
    const node = this.#handles.get(NODE_NAMESPACE);
    if (tables.length > 0) node.nft.run(tables.map((key) => `delete table ${key}`).join('\n'));
    try {
      node.route.apply(deleteGroup(LINK_GROUP));
    } catch (error) {
      if (!isKernelError(error, 'ENODEV')) throw error;
    }
    // Those over our own links have gone with them.
    for (const { destination, index, protocol } of node.route.routes(TABLE_MAIN))
      if (protocol === ROUTE_PROTOCOL) node.route.apply(deleteRoute({ destination, index, protocol }));
  }

  #logProblems(problems: readonly ApplyProblem[]): void {
    const now = JSON.stringify(problems);
    if (now === this.#known) return;
    this.#known = now;
    for (const problem of problems) this.#log.warn({ ...problem }, 'network problem');
    if (problems.length === 0) this.#log.info({}, 'network problems are solved');
  }
}

const awaitsRules = ({ overlays }: DesiredState, { encryption: { missing, guarded } }: Facts): boolean =>
  missing === undefined && encryptedVnis(overlays).some((vni) => !guarded.has(vni));

function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (errnoOf(error) !== 'ENOTEMPTY' && errnoOf(error) !== 'ENOENT') throw error;
  }
}
