import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../lib/clock.js';
import { failedPrecondition, invalidArgument, messageOf, notFound, type SwarmError } from '../../../lib/errors.js';
import { Limiter } from '../../../lib/limiter.js';
import type { Logger } from '../../../lib/log.js';
import type { LogLine, LogOptions } from '../../../proto/gen/index.js';
import type { Volumes } from '../../volumes/volumes.js';
import type { ContainerExit, ContainerSettings, ContainerState, Executor } from '../executor.js';
import type {
  ContainerFacts,
  ExecSettings,
  InteractiveExecutor,
  LoadCounters,
  ProcessStreams,
  ProcessTable,
  ResourceUsage,
} from '../interactive.js';
import { parseSignal } from '../signals.js';
import { startFailureCode } from '../start-failure.js';
import { readCgroupFacts } from './container/cgroups.js';
import { Container } from './container/container.js';
import type { PreparedRecord } from './container/folder.js';
import { type HostFacts, readHostFacts } from './container/host-facts.js';
import { ContainerVolumes } from './container-volumes.js';
import { type OpenRoot, openRoot } from './copy/access.js';
import { pathFacts } from './copy/facts.js';
import type { OciImageStore } from './images/store.js';
import { LogKeeper } from './logs/keeper.js';
import { readLog } from './logs/reader.js';
import { loadOf } from './observe/load.js';
import { topOf } from './observe/top.js';
import { usageOf } from './observe/usage.js';
import { Operations } from './operations.js';
import { writeNames } from './prepare.js';
import { aliveProcess, attach, exec, runningProcess } from './processes.js';
import { ExitWatch } from './runtime/exit-watch.js';
import { chooseRuntime, findInitProgram } from './runtime/probe.js';
import { Runtime } from './runtime/runtime.js';
import { takeBack } from './take-back.js';

/** Starts are bound by the kernel's cgroup and namespace locks: more at a time only wait there. */
const PARALLEL_STARTS = 4;
const SIGKILL = 9;

export interface OciExecutorOptions {
  /** Containers: settings, writable layers, logs. Overlayfs must work there. */
  readonly dataRoot: string;
  /** What a restart of the machine makes void: runtime states, exit notes. */
  readonly runRoot: string;
  readonly images: OciImageStore;
  readonly volumes: Volumes;
  /** Cgroup that holds one per container: `/tsswarm`. */
  readonly cgroupParent: string;
  readonly log: Logger;
  readonly clock: Clock;
}

/**
 * Containers without a daemon of their own: an OCI runtime makes them, conmon watches each, and all
 * that is known of them is on disk, so that whoever opens the same folders next goes on with them.
 */
export class OciExecutor implements Executor, InteractiveExecutor {
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #operations: Operations;
  readonly #runtime: Runtime;
  readonly #host: HostFacts;
  readonly #starts = new Limiter(PARALLEL_STARTS);
  readonly #containers = new Map<string, Container>();
  readonly #looking = new Map<Container, 'once' | 'again'>();
  readonly #watch: ExitWatch;
  readonly #logs: LogKeeper;

  private constructor({ clock, log }: OciExecutorOptions, operations: Operations, runtime: Runtime, host: HostFacts) {
    this.#clock = clock;
    this.#log = log;
    this.#operations = operations;
    this.#runtime = runtime;
    this.#host = host;
    this.#watch = new ExitWatch(
      operations.exitDir,
      clock,
      (id) => this.#look(this.#containers.get(id)),
      () => {
        for (const container of this.#containers.values()) this.#look(container);
      },
    );
    this.#logs = new LogKeeper(() => this.#containers.values(), clock, log);
  }

  /**
   * Takes the containers back that are in the folders, and cleans up what was left half-done.
   * @throws FAILED_PRECONDITION when no runtime works on this machine
   * @throws INVALID_ARGUMENT for folders that the tools cannot use
   */
  static async open(options: OciExecutorOptions): Promise<OciExecutor> {
    const { dataRoot, runRoot, cgroupParent, images, log } = options;
    const volumes = new ContainerVolumes(options.volumes);
    for (const path of [dataRoot, runRoot, cgroupParent]) {
      if (!/^\/[^:,\\]+$/.test(path)) {
        throw invalidArgument(`"${path}" cannot be a folder of containers`, {
          value: path,
          hint: 'It must be an absolute path without colon, comma and backslash.',
        });
      }
    }
    await mkdir(runRoot, { recursive: true, mode: 0o700 });
    const host = await readHostFacts(await readCgroupFacts());
    const choice = await chooseRuntime({ runRoot, cgroupParent, host, log });
    const runtime = new Runtime(choice, join(runRoot, 'runtime'));
    const initProgram = await findInitProgram();
    const tools = { images, volumes, host, runtime, initProgram };
    const how = { dataRoot, runRoot, cgroupParent, ...tools, log };
    const operations = new Operations(how);
    const adopted = await takeBack(operations, how);
    const executor = new OciExecutor(options, operations, runtime, host);
    for (const container of adopted) {
      executor.#containers.set(container.id, container);
      executor.#look(container);
    }
    // An earlier executor was killed in the removal of its last one.
    if (adopted.length === 0) await operations.removeCgroupParent();
    return executor;
  }

  get runtime(): string {
    return this.#runtime.choice.name;
  }

  /** Lets go of the folders when what is under way is done. Containers run on. */
  async close(): Promise<void> {
    await Promise.all([...this.#containers.values()].map((container) => container.serial.run(() => undefined)));
    this.#watch.close();
    await this.#logs.close();
  }

  async prepare(settings: ContainerSettings, signal: AbortSignal): Promise<void> {
    if (this.#containers.has(settings.id)) return this.#need(settings.id).serial.run(() => undefined);
    const container = new Container(this.#operations.folder(settings.id), unprepared(settings));
    this.#containers.set(settings.id, container);
    await container.serial.run(async () => {
      try {
        await this.#operations.prepare(container, settings, signal);
      } catch (error) {
        this.#containers.delete(settings.id);
        throw error;
      }
    });
  }

  async create(id: string): Promise<void> {
    const container = this.#need(id);
    await container.serial.run(() => this.#create(container));
  }

  async uncreate(id: string): Promise<void> {
    const container = this.#containers.get(id);
    await container?.serial.run(async () => {
      if (container.created) await this.#operations.uncreate(container);
    });
  }

  async start(id: string): Promise<ContainerState> {
    const container = this.#need(id);
    await container.serial.run(() => this.#launch(container));
    // It may have exited already, unseen as it was not known to run.
    this.#look(container);
    return container.state;
  }

  async #create(container: Container): Promise<void> {
    if (this.#containers.get(container.id) !== container) throw unknown(container.id);
    if (container.running || container.created) return;
    await this.#starts.run(async () => {
      // Its end may have been seen just now.
      if (container.exit) await this.#operations.settle(container);
      await this.#operations.create(container);
    });
  }

  async #launch(container: Container): Promise<void> {
    try {
      await this.#create(container);
      if (!container.running) await this.#operations.launch(container, () => this.#clock.now());
    } catch (error) {
      container.failed(startFailureCode(messageOf(error)), messageOf(error));
      throw error;
    }
  }

  async wait(id: string, signal: AbortSignal): Promise<ContainerExit> {
    const container = this.#need(id);
    signal.throwIfAborted();
    return new Promise((resolve, reject) => {
      const onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      container.exited.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    });
  }

  /** A container that never ran has nothing to stop: that counts as an exit with code 0 now. */
  async stop(id: string, stopSignal: string, graceMs: number): Promise<ContainerExit> {
    const container = this.#need(id);
    const signal = parseSignal(stopSignal || container.prepared.stopSignal || 'SIGTERM');
    await container.serial.run(() => undefined);
    if (!container.running) return container.exit ?? { code: 0, oomKilled: false, finishedAt: this.#clock.now() };
    container.signal(signal);
    const cancel = this.#clock.after(graceMs, () => container.signal(SIGKILL));
    try {
      return await container.exited;
    } finally {
      cancel();
    }
  }

  async kill(id: string, signal: string): Promise<void> {
    const number = parseSignal(signal || 'SIGKILL');
    this.#need(id).signal(number);
  }

  async remove(id: string, options: { readonly keepVolumes?: boolean } = {}): Promise<void> {
    const container = this.#containers.get(id);
    if (!container) return this.#operations.discard(id, options);
    await container.serial.run(async () => {
      if (this.#containers.get(id) !== container) return;
      if (container.running) {
        container.signal(SIGKILL);
        await container.exited;
      }
      container.lost(unknown(id));
      await this.#operations.discard(id, { ...options, settled: container.settled });
      this.#containers.delete(id);
      if (this.#containers.size === 0) await this.#operations.removeCgroupParent();
    });
  }

  async inspect(id: string): Promise<ContainerState | undefined> {
    return this.#containers.get(id)?.state;
  }

  async isAlive(id: string): Promise<boolean> {
    const container = this.#containers.get(id);
    return container !== undefined && aliveProcess(container) !== undefined;
  }

  async list(): Promise<readonly ContainerState[]> {
    return [...this.#containers.values()].map((container) => container.state);
  }

  async *logs(id: string, options: LogOptions, signal: AbortSignal, ended?: AbortSignal): AsyncIterable<LogLine> {
    const { folder, gone, prepared } = this.#need(id);
    if (prepared.log.driver === 'none') {
      throw failedPrecondition('configured logging driver does not support reading', {
        value: 'none',
        hint: 'Nothing is kept of what it writes: attach shows what comes.',
      });
    }
    const over = ended ? AbortSignal.any([gone.signal, ended]) : gone.signal;
    yield* readLog({ file: folder.log, ended: over }, options, signal);
  }

  async attach(id: string, input: boolean): Promise<ProcessStreams> {
    const container = this.#need(id);
    return container.serial.run(() => {
      if (this.#containers.get(id) !== container) throw unknown(id);
      return attach(container, input);
    });
  }

  async exec(id: string, settings: ExecSettings): Promise<ProcessStreams> {
    const folder = this.#operations.execs(id);
    return exec(this.#need(id), settings, { runtime: this.#runtime, host: this.#host, folder });
  }

  async top(id: string, ps: readonly string[]): Promise<ProcessTable> {
    const container = this.#need(id);
    runningProcess(container);
    return topOf(this.#host.cgroup, this.#operations.cgroup(id), ps);
  }

  load(id: string): LoadCounters | undefined {
    const container = this.#containers.get(id);
    if (!container?.running || !container.process) return undefined;
    const { pid } = container.process;
    const network = container.prepared.networkNamespace !== '';
    return loadOf({ facts: this.#host.cgroup, cgroup: this.#operations.cgroup(id), pid, network });
  }

  async usage(id: string): Promise<ResourceUsage> {
    const container = this.#need(id);
    const { pid } = runningProcess(container);
    const network = container.prepared.networkNamespace !== '';
    return usageOf({ facts: this.#host.cgroup, cgroup: this.#operations.cgroup(id), pid, network });
  }

  async copyFrom(id: string, path: string, followLink: boolean): ReturnType<InteractiveExecutor['copyFrom']> {
    const container = this.#need(id);
    const open = () => openRoot(container, this.#operations);
    const { root, close } = await open();
    try {
      const stat = await pathFacts(root, path, followLink);
      // Opened anew when it is read: an archive that nobody reads holds nothing.
      return { stat, archive: packFrom(open, path, followLink) };
    } finally {
      close();
    }
  }

  async copyTo(id: string, path: string, archive: AsyncIterable<Uint8Array>, keepOwners: boolean): Promise<void> {
    const { unpackInto } = await import('./copy/unpack.js');
    const { root, close } = await openRoot(this.#need(id), this.#operations);
    try {
      await unpackInto(root, path, archive, keepOwners);
    } finally {
      close();
    }
  }

  async facts(id: string): Promise<ContainerFacts> {
    const { folder, prepared } = this.#need(id);
    const { imageId, command, exposedPorts, volumes } = prepared;
    return { imageId, command, exposedPorts, volumes, rootfs: folder.rootfs, logPath: folder.log };
  }

  async setNames(id: string, names: Pick<ContainerSettings, 'addresses' | 'hosts' | 'dns'>): Promise<void> {
    const { folder, prepared, serial } = this.#need(id);
    await serial.run(() => writeNames(folder, { ...prepared, ...names }, prepared.hostname));
  }

  #need(id: string): Container {
    const container = this.#containers.get(id);
    if (!container) throw unknown(id);
    return container;
  }

  /** Finds out, in the background, whether a container has exited; a notice during a look makes it look again. */
  #look(container: Container | undefined): void {
    if (!container?.running) return;
    if (this.#looking.has(container)) {
      this.#looking.set(container, 'again');
      return;
    }
    this.#looking.set(container, 'once');
    const look = async () => {
      const exit = await this.#operations.observe(container, () => this.#clock.now());
      if (!exit) return;
      container.finished(exit);
      await container.serial.run(() => this.#operations.settle(container));
    };
    look()
      .catch((error) => this.#log.error({ container: container.id, error: messageOf(error) }, 'exit not settled'))
      .finally(() => {
        const again = this.#looking.get(container) === 'again';
        this.#looking.delete(container);
        if (again) this.#look(container);
      });
  }
}

async function* packFrom(open: () => Promise<OpenRoot>, path: string, followLink: boolean): AsyncGenerator<Uint8Array> {
  const { packPath } = await import('./copy/pack.js');
  const { root, close } = await open();
  try {
    yield* packPath(root, path, followLink);
  } finally {
    close();
  }
}

/** What is known before the image is here. */
function unprepared(settings: ContainerSettings): PreparedRecord {
  const { id, name, tty, openStdin, stdinOnce, stopSignal, hostname, networkNamespace, log } = settings;
  return {
    ...{ id, name, tty, openStdin, stdinOnce, stopSignal, hostname, networkNamespace, log },
    ...{ imageId: '', imageRootfs: '', exposedPorts: [], command: [], volumes: [], check: undefined },
  };
}

function unknown(id: string): SwarmError {
  return notFound(`No such container: ${id}`, { value: id });
}
