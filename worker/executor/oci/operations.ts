import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { failedPrecondition } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/log.js';
import { unmount } from '../../../netlb/kernel/mounts.js';
import type { ContainerExit, ContainerSettings } from '../executor.js';
import { checkOf } from '../health-check.js';
import { isSignal, parseSignal } from '../signals.js';
import { writeFileAtomically } from './atomic-file.js';
import { oomKills, removeCgroup } from './container/cgroups.js';
import type { Container } from './container/container.js';
import { ContainerFolder } from './container/folder.js';
import type { HostFacts } from './container/host-facts.js';
import { identify, isAlive } from './container/process.js';
import type { Spec } from './container/spec-types.js';
import type { ContainerVolumes } from './container-volumes.js';
import { exists } from './images/rootfs.js';
import type { OciImageStore } from './images/store.js';
import { prepareBundle, remountRoot } from './prepare.js';
import { accepted, createUnderMonitor, MONITOR_BACKLOG, monitorGone, monitorOf, socketsOf } from './runtime/conmon.js';
import { readExit } from './runtime/exit-watch.js';
import type { Runtime } from './runtime/runtime.js';
import type { MonitoredStreams } from './runtime/streams.js';

/** Looks that may find neither process nor exit while the monitor lives: it is about to note it. */
const PATIENCE = 5;
/** Of a process whose monitor was killed with it: nobody was there to take the real code. */
const LOST_EXIT_CODE = 137;

export interface OperationsOptions {
  readonly dataRoot: string;
  readonly runRoot: string;
  readonly cgroupParent: string;
  readonly images: OciImageStore;
  readonly volumes: ContainerVolumes;
  readonly host: HostFacts;
  readonly runtime: Runtime;
  readonly initProgram: string;
  readonly log: Logger;
}

/** The steps of a container's life, each on files, mounts and processes; the caller puts them in order. */
export class Operations {
  readonly #options: OperationsOptions;
  readonly exitDir: string;

  constructor(options: OperationsOptions) {
    this.#options = options;
    this.exitDir = join(options.runRoot, 'exits');
  }

  /** Where the other processes of a container have their folders, which go with its first. */
  execs(id: string): string {
    return join(this.#options.runRoot, 'execs', id);
  }

  cgroup(id: string): string {
    return `${this.#options.cgroupParent}/${id}`;
  }

  folder(id: string): ContainerFolder {
    return new ContainerFolder(this.#options.dataRoot, id);
  }

  /** @throws as Executor.prepare; nothing is left then */
  async prepare(container: Container, settings: ContainerSettings, signal: AbortSignal): Promise<void> {
    const { id, folder } = container;
    const { images, volumes, host, initProgram, log } = this.#options;
    try {
      signal.throwIfAborted();
      if (settings.stopSignal) parseSignal(settings.stopSignal);
      await mkdir(folder.path, { recursive: true, mode: 0o700 });
      const { registryAuth } = settings;
      const image = await images.acquire(settings.image, folder.path, { registryAuth, signal });
      const wishes = { mounts: settings.mounts, declared: image.config.volumes, rootfs: image.rootfs };
      const provided = await volumes.provide(container, wishes);
      const { hostname, command, warnings } = await prepareBundle({
        settings: { ...settings, mounts: provided.mounts },
        folder,
        image,
        host,
        cgroupPath: this.cgroup(id),
        initProgram,
      });
      for (const warning of warnings) log.warn({ container: id }, warning);
      container.mounted = true;
      container.prepared = {
        ...container.prepared,
        stopSignal: container.prepared.stopSignal || this.#stopSignal(id, image.config.stopSignal),
        hostname,
        command,
        check: checkOf(settings.healthcheck, image.config),
        imageId: image.image.id,
        imageRootfs: image.rootfs,
        exposedPorts: image.config.exposedPorts,
        volumes: provided.volumes,
      };
      signal.throwIfAborted();
      await folder.writeRecord(container.record);
    } catch (error) {
      await this.discard(id);
      throw error;
    }
  }

  /**
   * Makes the process of the next run, which waits for its start.
   * @throws FAILED_PRECONDITION with the runtime's words; the container is as before then
   */
  async create(container: Container): Promise<void> {
    const { id, folder } = container;
    const { tty, openStdin, stdinOnce, log } = container.prepared;
    const { runtime, volumes } = this.#options;
    const { exitDir } = this;
    const run = container.run + 1;
    try {
      await this.#needFiles(folder, id);
      await this.mount(container);
      await volumes.mount(container);
      // Notes of an earlier run would be taken for this one's.
      if (run > 1) await this.#forgetRun(folder, id);
      if (tty) await setTerminalSize(folder, container.streams);
      await writeFile(folder.launchMark, String(run));
      const pid = await createUnderMonitor({
        id,
        folder,
        runtime,
        exitDir,
        logged: log.driver !== 'none',
        tty,
        openStdin,
        stdinOnce,
      });
      // It waits for the start: unless it is killed it cannot have ended, and left its number to another, before this.
      container.created = identify(pid);
      if (!container.created) throw failedPrecondition(`container ${id} was killed before its start`, { value: id });
    } catch (error) {
      await this.uncreate(container);
      throw error;
    }
  }

  /**
   * Begins the run that was created.
   * @throws FAILED_PRECONDITION with the runtime's words; the container is as before then, and can be started again
   */
  async launch(container: Container, now: () => number): Promise<void> {
    const { id, folder, created } = container;
    try {
      await connectAll(folder, container.streams);
      await this.#options.runtime.start(id);
      container.started(container.run + 1, created, now());
    } catch (error) {
      await this.uncreate(container);
      throw error;
    }
    await folder.writeRecord(container.record);
  }

  /** Its root filesystem, of a container that has exited or was prepared before the machine was started. */
  async mount(container: Container): Promise<void> {
    if (container.mounted) return;
    await remountRoot(container.folder, container.prepared.imageRootfs);
    container.mounted = true;
  }

  unmount(container: Container): void {
    unmount(container.folder.rootfs, { lazy: true });
    container.mounted = false;
  }

  /** The exit of a container that runs as far as we know; undefined while it does. */
  async observe(container: Container, now: () => number): Promise<ContainerExit | undefined> {
    const { id, folder, process } = container;
    if (process !== undefined && isAlive(process)) {
      container.missing = 0;
      return undefined;
    }
    // Looked at before the note is read: a note that comes in between is not missed.
    const monitored = (await monitorOf(folder)) !== undefined;
    const noted = (await readExit(join(this.exitDir, id))) ?? (await readExit(folder.exit));
    if (noted) {
      const oom = noted.code !== 0 && (await this.#ranOutOfMemory(folder, id));
      return { code: noted.code, oomKilled: oom, finishedAt: noted.at };
    }
    container.missing++;
    if (monitored && container.missing < PATIENCE) return undefined;
    this.#options.log.warn({ container: id }, 'the monitor was killed with its container: the exit code is not known');
    const oomKilled = await this.#ranOutOfMemory(folder, id);
    return { code: LOST_EXIT_CODE, oomKilled, finishedAt: now() };
  }

  /** After the exit: notes it, and gives the kernel's things back. Log and settings stay. */
  async settle(container: Container): Promise<void> {
    const { id, folder } = container;
    if (container.settled || container.running || (await folder.readRecord()) === undefined) return;
    await folder.writeRecord(container.record);
    await this.release(folder, id, true);
    container.mounted = false;
    container.settled = true;
  }

  /**
   * Removes a container in whatever state it is, and all its traces. Fine when there are none.
   * @param options settled: only its folder is left; keepVolumes: its anonymous volumes stay
   */
  async discard(id: string, { settled = false, keepVolumes = false } = {}): Promise<void> {
    const folder = this.folder(id);
    if (keepVolumes) await rm(folder.anonymous, { force: true });
    // From here on it is not whole: if we are interrupted, the next one who opens goes on.
    await rm(folder.record, { force: true });
    if (!settled) await this.release(folder, id, false);
    await this.#options.volumes.release(folder, id);
    await this.#options.images.release(folder.path);
    await rm(folder.path, { recursive: true, force: true });
  }

  /** Goes with the last container. */
  async removeCgroupParent(): Promise<void> {
    await removeCgroup(this.#options.host.cgroup, this.#options.cgroupParent);
  }

  /** Whatever an image says, its containers can be stopped. */
  #stopSignal(id: string, stopSignal: string): string {
    if (stopSignal === '' || isSignal(stopSignal)) return stopSignal;
    this.#options.log.warn(
      { container: id, stopSignal },
      'the image has a STOPSIGNAL that is no signal: SIGTERM is used',
    );
    return '';
  }

  /**
   * Gives the kernel's things back; again, where that was interrupted.
   * @param exited its first process has ended, and with that all others of its process namespace
   */
  async release(folder: ContainerFolder, id: string, exited: boolean): Promise<void> {
    const { runtime, host, volumes } = this.#options;
    const cgroup = this.cgroup(id);
    // The cgroup goes only when no process is left in it; otherwise the runtime shall see to it.
    const bare = exited && (await removeCgroup(host.cgroup, cgroup));
    if (bare) await runtime.forget(id);
    else if (await exists(runtime.folder(id))) await runtime.delete(id);
    await monitorGone(folder);
    unmount(folder.rootfs, { lazy: true });
    unmount(folder.files, { lazy: true });
    await volumes.rest(folder, id);
    if (!bare) await removeCgroup(host.cgroup, cgroup);
    await rm(join(this.exitDir, id), { force: true });
    await rm(this.execs(id), { recursive: true, force: true });
  }

  async #needFiles(folder: ContainerFolder, id: string): Promise<void> {
    if (!(await folder.lacksFiles())) return;
    throw failedPrecondition(`container ${id} cannot be started again: its secrets and configs are gone`, {
      value: id,
      hint: 'They were in memory, as long as it ran. Create a new container.',
    });
  }

  /** Takes back what was made for a run that does not come, or what is left of it; it can be tried again. */
  async uncreate(container: Container): Promise<void> {
    const { id, folder } = container;
    const { runtime } = this.#options;
    if (await exists(runtime.folder(id))) await runtime.delete(id);
    await monitorGone(folder);
    await Promise.all([this.#forgetRun(folder, id), rm(folder.launchMark, { force: true })]);
    container.created = undefined;
    if (!container.exit) return;
    if (container.mounted) this.unmount(container);
    await this.#options.volumes.rest(folder, id);
    container.settled = true;
  }

  async #forgetRun(folder: ContainerFolder, id: string): Promise<void> {
    const traces = [folder.pidFile, folder.conmonPidFile, folder.exit, folder.oom, join(this.exitDir, id)];
    await Promise.all(traces.map((path) => rm(path, { force: true })));
  }

  async #ranOutOfMemory(folder: ContainerFolder, id: string): Promise<boolean> {
    return (await exists(folder.oom)) || (await oomKills(this.#options.host.cgroup, this.cgroup(id))) > 0;
  }
}

/** The process finds its terminal as large as the one of who waits for it. */
async function setTerminalSize(folder: ContainerFolder, all: ReadonlySet<MonitoredStreams>): Promise<void> {
  const [consoleSize] = [...all].flatMap((streams) => streams.takeSize() ?? []);
  if (!consoleSize) return;
  const spec = JSON.parse(await readFile(folder.config, 'utf8')) as Spec;
  await writeFileAtomically(folder.config, JSON.stringify({ ...spec, process: { ...spec.process, consoleSize } }));
}

/** Before the start, so that they miss nothing of the output. A few at a time: the others would be turned away. */
async function connectAll(folder: ContainerFolder, all: ReadonlySet<MonitoredStreams>): Promise<void> {
  const monitor = all.size > 1 ? await monitorOf(folder) : undefined;
  const waiting = [...all];
  while (waiting.length > 0) {
    const some = waiting.splice(0, MONITOR_BACKLOG);
    const before = monitor ? await socketsOf(monitor) : 0;
    for (const streams of some) streams.connect(folder.path);
    if (monitor) await accepted(monitor, before + some.length);
  }
}
