import type { LogSettings } from '../../lib/log-drivers.js';
import type { HealthConfig, LogLine, LogOptions, Platform } from '../../proto/gen/index.js';
import type { ContainerCheck } from './health-check.js';

/**
 * Runs containers. An implementation owns images, root filesystems and processes; it never makes a
 * network: it gets a ready network namespace. Containers, their exit codes and their logs outlive
 * the daemon: after a restart `list` tells what is there and `wait` goes on.
 *
 * A container's life: prepare → (create) → start → (running) → exited → remove. One that has exited may be started
 * again: it keeps its writable layer and its log. Every call but `prepare` names a container by its id; calls
 * that find their work already done succeed.
 */
export interface Executor {
  /** For `info`: "runc 1.1.5". */
  readonly runtime: string;

  /**
   * Image present, root filesystem mounted, bundle written: all that can be done before the start.
   * @throws NOT_FOUND "No such image: …" when the image is neither here nor to be had
   * @throws INVALID_ARGUMENT for a mount source that does not exist, an unknown user …
   */
  prepare(container: ContainerSettings, signal: AbortSignal): Promise<void>;
  /**
   * Has all done of a start that comes before the process's own program, which waits for `start` then: most of a
   * start's time, to be spent beside what else the start has to wait for. The network namespace must be there, with
   * or without interfaces; what `setNames` says may still change. Nothing happens when it is done, or the container runs.
   * `inspect` and `list` show nothing of it, and it ends with the executor: the next one to open the folders takes it
   * back, as `remove` does.
   * @throws as `start`, which tries again then
   */
  create(id: string): Promise<void>;
  /** Takes back a creation that no start is to follow. Nothing happens when there is none. */
  uncreate(id: string): Promise<void>;
  /**
   * Starts the process, and creates it before unless that is done; nothing happens when it runs.
   * @throws FAILED_PRECONDITION with the runtime's words when it cannot, or for one that has exited with secrets
   */
  start(id: string): Promise<ContainerState>;
  /** Resolves when the container has exited; at once when it has already. @throws NOT_FOUND */
  wait(id: string, signal: AbortSignal): Promise<ContainerExit>;
  /** `stopSignal` (empty: the container's own, the image's, or else SIGTERM), then SIGKILL after `graceMs`. Resolves when it has exited. */
  stop(id: string, stopSignal: string, graceMs: number): Promise<ContainerExit>;
  kill(id: string, signal: string): Promise<void>;
  /**
   * Kills what runs, unmounts, deletes the root filesystem, logs and all other traces.
   * @param options keepVolumes: its anonymous volumes too, which go with it otherwise
   */
  remove(id: string, options?: { readonly keepVolumes?: boolean }): Promise<void>;
  inspect(id: string): Promise<ContainerState | undefined>;
  /** Whether its first process is there: no longer from its end on, which `inspect` and `wait` tell a moment later. */
  isAlive(id: string): Promise<boolean>;
  /** All containers of this executor's data folder, whatever state they are in. */
  list(): Promise<readonly ContainerState[]>;
  /**
   * Lines in order, of all its runs; with `follow` until the container is removed or the signal aborts.
   * @param ended when it aborts, the lines that are there are the last ones
   * @throws FAILED_PRECONDITION when nothing is kept of what it writes
   */
  logs(id: string, options: LogOptions, signal: AbortSignal, ended?: AbortSignal): AsyncIterable<LogLine>;
}

/** Everything about a container that is decided before it is prepared; serializable. */
export interface ContainerSettings {
  /** 25 digits of base36 (a task's), or 64 hexadecimal ones. */
  readonly id: string;
  readonly name: string;
  /** Name or digest, as the user wrote it. */
  readonly image: string;
  readonly registryAuth: string;
  readonly entrypoint: readonly string[];
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly dir: string;
  readonly user: string;
  readonly groups: readonly string[];
  readonly hostname: string;
  readonly tty: boolean;
  readonly openStdin: boolean;
  /** Its input ends with the first who gives it: the terminal that has started it. */
  readonly stdinOnce: boolean;
  /** Empty: the image's. */
  readonly stopSignal: string;
  /** What it leaves open is the image's to say; undefined: all of it. */
  readonly healthcheck: HealthConfig | undefined;
  readonly init: boolean;
  readonly readOnly: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly mounts: readonly ContainerMount[];
  readonly files: readonly ContainerFile[];
  /** `ip name` lines for /etc/hosts, beside localhost and its own. */
  readonly hosts: readonly string[];
  readonly dns: {
    readonly nameservers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  };
  readonly capabilityAdd: readonly string[];
  readonly capabilityDrop: readonly string[];
  readonly sysctls: Readonly<Record<string, string>>;
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  readonly noNewPrivileges: boolean;
  readonly oomScoreAdj: number;
  readonly devices: readonly {
    readonly hostPath: string;
    readonly containerPath: string;
    readonly permissions: string;
  }[];
  readonly resources: ContainerResources;
  readonly log: LogSettings;
  /** File of a network namespace; empty: the node's own. */
  readonly networkNamespace: string;
  /** The container's own addresses, for its line in /etc/hosts. */
  readonly addresses: readonly string[];
}

export interface ContainerMount {
  readonly type: 'bind' | 'tmpfs' | 'volume';
  /** A path of the node, or a volume's name; empty: an anonymous volume. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly propagation: string;
  readonly nonRecursive: boolean;
  readonly createMountpoint: boolean;
  readonly tmpfsSizeBytes: number;
  readonly tmpfsMode: number;
  /** Of mount(8): exec, uid=1000 …; nosuid, nodev and noexec unless the opposite is among them. */
  readonly tmpfsOptions?: readonly string[];
  /** Of a volume that is asked for. */
  readonly volume?: ContainerVolume | undefined;
}

/** What a volume is made with when it is not there, and how it is mounted. */
export interface ContainerVolume {
  readonly noCopy: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly driver: string;
  readonly driverOptions: Readonly<Record<string, string>>;
  /** Path in it that is mounted; empty: all of it. */
  readonly subpath: string;
}

/** A secret or config: written to memory-backed storage, mounted read-only. */
export interface ContainerFile {
  readonly target: string;
  readonly data: Uint8Array;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** Zero: no limit. */
export interface ContainerResources {
  readonly nanoCpus: number;
  readonly memoryBytes: number;
  /** Beside the memory; -1: no limit; undefined: as much as memory. */
  readonly memorySwapBytes: number | undefined;
  /** 0 to 100; undefined: the machine's. */
  readonly memorySwappiness?: number | undefined;
  readonly pids: number;
}

export interface ContainerState {
  readonly id: string;
  readonly status: 'prepared' | 'running' | 'exited';
  /** 0 unless running. */
  readonly pid: number;
  /** Milliseconds since the epoch; 0 when it never ran. */
  readonly startedAt: number;
  readonly exit: ContainerExit | undefined;
  /** Undefined: nobody asks whether it works. */
  readonly check: ContainerCheck | undefined;
}

export interface ContainerExit {
  /** 128 + n when killed by signal n. */
  readonly code: number;
  readonly oomKilled: boolean;
  readonly finishedAt: number;
}

/** Images of one store on disk; several daemons of one machine may share it. */
export interface ImageStore {
  list(): Promise<readonly StoredImage[]>;
  /** By name, id or digest (whole or prefix). */
  find(ref: string): Promise<StoredImage | undefined>;
  /** @throws INVALID_ARGUMENT when the bytes are no image of that format */
  import(archive: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<StoredImage>;
  /** @throws NOT_FOUND, UNAVAILABLE with the registry's words */
  pull(name: string, options: PullOptions, progress: (message: string) => void): Promise<StoredImage>;
  /**
   * The name with the digest that its registry has for it, or as it is when no registry is to be asked.
   * @throws NOT_FOUND, UNAVAILABLE with the registry's words
   */
  resolve(name: string, options: PullOptions): Promise<string>;
  /** Removes a name, and the image with its last name. @throws FAILED_PRECONDITION when in use and not forced */
  remove(ref: string, force: boolean): Promise<readonly string[]>;
}

export interface ImportOptions {
  /** repository:tag; empty: what the archive says. */
  readonly name: string;
  readonly format: '' | 'oci-archive' | 'docker-archive' | 'rootfs';
  /** Dockerfile lines (CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, STOPSIGNAL, USER, WORKDIR) for a root filesystem. */
  readonly changes: readonly string[];
}

export interface PullOptions {
  readonly registryAuth: string;
  readonly plainHttp: boolean;
  readonly signal: AbortSignal;
}

export interface StoredImage {
  readonly id: string;
  readonly names: readonly string[];
  readonly digest: string;
  readonly sizeBytes: number;
  readonly createdAt: number;
  readonly platform: Platform;
}
