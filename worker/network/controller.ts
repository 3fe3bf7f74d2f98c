import { type Deferred, deferred, yieldToLoop } from '../../lib/async.js';
import { Backoff } from '../../lib/backoff.js';
import type { Clock } from '../../lib/clock.js';
import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import { Slices } from '../../lib/slices.js';
import type { Steps } from '../../lib/steps.js';
import type { ApplyProblem, ApplyReport, DesiredState } from '../../netlb/state.js';
import { TaskState } from '../../proto/gen/index.js';
import { isTerminal, type LocalTask, needsSandbox, sandboxId } from '../agent/local-task.js';
import type { SandboxView } from '../agent/next-step.js';
import { Wake } from '../wake.js';

/** What NetworkPlane is used for here. */
export interface Plane {
  /** Milliseconds for which it is better to gather changes, when nothing waits for them. */
  readonly rest: number;
  apply(desired: DesiredState): Promise<ApplyReport>;
}

export interface NetworkControllerOptions {
  readonly plane: Plane;
  /** Computes the state that the node shall have now. */
  readonly desired: () => Steps<DesiredState>;
  /** Called when what `sandbox` or `problems` answer may have changed. */
  readonly onChange: () => void;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What is to have a network namespace, or has it. */
export interface Housed {
  /** Name of the namespace. */
  readonly sandbox: string;
  /** Ids of the networks that it is to have endpoints in. */
  readonly networks: readonly string[];
  readonly running: boolean;
  /** Whether it is waited for until it is ready: of what has not been started yet the namespace may be yet to come. */
  readonly awaited: boolean;
}

/** Why the network is to change, for the log. */
export interface NetworkNews {
  /** Of the newest assignments that it follows from. */
  readonly sequence?: number;
  /** Of the operators' calls that it comes from. */
  readonly changeIds: readonly string[];
}

/** How long a task waits for its network, or runs without it, before it is given up. */
export const NETWORK_PATIENCE_MS = 30_000;

/**
 * Keeps the kernel at what the node's network shall be: one `apply` at a time, each of the whole
 * newest state. Changes that come while one runs are in the next.
 */
export class NetworkController {
  readonly #options: NetworkControllerOptions;
  readonly #wake = new Wake();
  /** Namespaces that were found not ready by who waits for them, since the last state was computed. */
  readonly #awaited = new Set<string>();
  #endRest: () => void = () => {};
  readonly #backoff = new Backoff({ initial: 200, max: 10_000 });
  /** Those who wait for an apply that has not begun yet, or for one more after one that failed. */
  #waiting: Deferred<void> = deferred();
  /** Of operators' calls that the kernel does not show yet. */
  #changeIds = new Set<string>();
  #sequence = 0;
  /** Those that the plane was given last, with the networks of their endpoints. */
  #sandboxes: ReadonlyMap<string, ReadonlySet<string>> = new Map();
  /** Networks that the plane was given as encrypted. */
  #encrypted: ReadonlySet<string> = new Set();
  #keyVersion = 0;
  #problems: readonly ApplyProblem[] = [];
  /** When each present problem was first seen, by its subject. */
  #since: ReadonlyMap<string, number> = new Map();
  #cancelExpiry: () => void = () => {};

  constructor(options: NetworkControllerOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the kernel has been brought to a state that was computed after this call, but for
   * `problems`. While the plane cannot work at all it stays pending: nothing has been done.
   */
  changed(news?: NetworkNews): Promise<void> {
    this.#sequence = news?.sequence ?? this.#sequence;
    for (const id of news?.changeIds ?? []) if (id !== '') this.#changeIds.add(id);
    this.#wake.notify();
    return this.#waiting.promise;
  }

  get problems(): readonly ApplyProblem[] {
    return this.#problems;
  }

  /** Which keys of encrypted networks the kernel has, all of them; 0: none. */
  get networkKeyClock(): number {
    return this.#problems.some(({ subject }) => subject.kind === 'encryption') ? 0 : this.#keyVersion;
  }

  /** Time of the key of encrypted networks that another one is needed for before long; 0: none. */
  get wornNetworkKey(): number {
    const worn = this.#problems.filter(({ subject }) => subject.kind === 'key');
    return Math.max(0, ...worn.map(({ subject }) => Number(subject.id)));
  }

  /** A later report of the plane's own repairs. */
  reported(report: ApplyReport): void {
    this.#setProblems(report.problems);
    this.#options.onChange();
  }

  /** The network namespace of a task. */
  sandbox(local: LocalTask): SandboxView {
    const { task, status } = local;
    return this.view({
      sandbox: sandboxId(task),
      networks: task.networks.map(({ networkId }) => networkId),
      running: status.state >= TaskState.RUNNING && !isTerminal(status.state),
      awaited: needsSandbox(local),
    });
  }

  /**
   * What is to start is kept by any problem of its sandbox, of a network that it is to have an endpoint in, or of
   * the node; what runs by its sandbox's alone.
   */
  view({ sandbox, networks, running, awaited }: Housed): SandboxView {
    const relevant = ({ subject: { kind, id } }: ApplyProblem) => {
      if (kind === 'sandbox') return id === sandbox;
      if (kind === 'encryption') return !running && networks.some((network) => this.#encrypted.has(network));
      return !running && (kind === 'node' || (kind !== 'ingress' && networks.includes(id)));
    };
    const problem = this.#problems.find(relevant);
    if (problem) {
      const since = this.#since.get(subjectKey(problem)) ?? this.#options.clock.monotonic();
      const expired = this.#options.clock.monotonic() - since >= NETWORK_PATIENCE_MS;
      return { state: 'problem', message: problem.message, expired };
    }
    // A container's namespace may have been there before it was attached.
    const made = this.#sandboxes.get(sandbox);
    if (made && networks.every((id) => made.has(id))) return { state: 'ready' };
    if (awaited) {
      this.#awaited.add(sandbox);
      this.#endRest();
    }
    return { state: 'pending' };
  }

  async run(signal: AbortSignal): Promise<void> {
    let cancelRetry = () => {};
    while (!signal.aborted) {
      await this.#wake.wait(signal);
      // What changes in the same turn of the loop, many tasks for instance, is one apply.
      await yieldToLoop();
      await this.#rest(signal);
      if (signal.aborted) break;
      cancelRetry();
      const applied = this.#waiting;
      this.#waiting = deferred();
      if (await this.#apply()) applied.resolve();
      else {
        void this.#waiting.promise.then(applied.resolve);
        cancelRetry = this.#options.clock.after(this.#backoff.next(), () => this.#wake.notify());
      }
      this.#options.onChange();
    }
    cancelRetry();
    this.#cancelExpiry();
  }

  /** Gathers changes for a moment, unless a task or container waits for its namespace, or until one does. */
  async #rest(signal: AbortSignal): Promise<void> {
    const { clock, plane } = this.#options;
    if (plane.rest === 0 || this.#awaited.size > 0 || signal.aborted) return;
    await new Promise<void>((resolve) => {
      const cancel = clock.after(plane.rest, resolve);
      this.#endRest = () => {
        cancel();
        resolve();
      };
      signal.addEventListener('abort', this.#endRest, { once: true });
    });
    signal.removeEventListener('abort', this.#endRest);
    this.#endRest = () => {};
  }

  /** @returns whether the plane could work at all */
  async #apply(): Promise<boolean> {
    const { plane, desired, log } = this.#options;
    const changeIds = this.#changeIds;
    const sequence = this.#sequence;
    this.#changeIds = new Set();
    this.#awaited.clear();
    const state = await new Slices().run(desired());
    try {
      const report = await plane.apply(state);
      if (changeIds.size > 0) this.#logDone([...changeIds], sequence, report);
      this.#sandboxes = new Map(
        state.sandboxes.map(({ id, endpoints }) => [id, new Set(endpoints.map(({ networkId }) => networkId))]),
      );
      this.#encrypted = new Set(state.overlays.filter(({ encrypted }) => encrypted).map(({ id }) => id));
      this.#keyVersion = state.encryption?.version ?? 0;
      this.#setProblems(report.problems);
      this.#backoff.reset();
      return true;
    } catch (error) {
      for (const id of changeIds) this.#changeIds.add(id);
      log.error({ err: error }, `network state cannot be applied: ${messageOf(error)}`);
      this.#setProblems([{ subject: { kind: 'node', id: '' }, message: messageOf(error) }]);
      return false;
    }
  }

  /** What the kernel was told for operators' calls. */
  #logDone(changes: readonly string[], sequence: number, report: ApplyReport): void {
    const problems = report.problems.length;
    const fields = { changes, assignments: sequence, operations: report.details(), ...(problems > 0 && { problems }) };
    this.#options.log.info(fields, `network: ${report.operations} changes of the kernel`);
  }

  #setProblems(problems: readonly ApplyProblem[]): void {
    const { clock, onChange } = this.#options;
    const before = this.#since;
    this.#problems = problems;
    this.#since = new Map(
      problems.map((problem) => [subjectKey(problem), before.get(subjectKey(problem)) ?? clock.monotonic()] as const),
    );
    this.#cancelExpiry();
    this.#cancelExpiry = problems.length > 0 ? clock.after(NETWORK_PATIENCE_MS, onChange) : () => {};
  }
}

function subjectKey({ subject }: ApplyProblem): string {
  return `${subject.kind}/${subject.id}`;
}
