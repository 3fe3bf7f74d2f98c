import type { ContainerSettings } from './executor.js';

/**
 * What people do with a container while it is there. An executor that has it implements it beside Executor;
 * containers are named by their ids, and each call throws NOT_FOUND for one that is not there.
 */
export interface InteractiveExecutor {
  /** What was made of its settings. */
  facts(id: string): Promise<ContainerFacts>;
  /**
   * The terminal or pipes of the container's first process. By several at once: each sees all output from then
   * on; input of all goes to the one process. While it does not run: those of its next run, from the first byte;
   * when that cannot be started, `exit` tells why.
   * @param input whether this one gives input; with `stdinOnce` the container's ends when it lets go
   */
  attach(id: string, input: boolean): Promise<ProcessStreams>;
  /**
   * Runs another process in it. Its end, and not the caller's, ends it: it goes on when the caller lets go, and
   * when this daemon ends.
   * @throws FAILED_PRECONDITION when the container does not run
   * @throws INVALID_ARGUMENT for a user or folder that is not there
   */
  exec(id: string, process: ExecSettings): Promise<ProcessStreams>;
  /**
   * @param ps arguments of ps(1); `-ef` when empty
   * @returns the lines of the processes in the container, split in columns
   * @throws FAILED_PRECONDITION when it does not run
   * @throws INVALID_ARGUMENT for arguments that ps does not take, or that leave the column PID out
   */
  top(id: string, ps: readonly string[]): Promise<ProcessTable>;
  /** Counters as they are now. @throws FAILED_PRECONDITION when it does not run */
  usage(id: string): Promise<ResourceUsage>;
  /** Those of them that tell how busy it is; undefined when it does not run, or is not there. At once: see there. */
  load(id: string): LoadCounters | undefined;
  /**
   * A tar archive of a path in it, running or not: the path's last element with all below it. Links are resolved
   * within its root filesystem, never outside.
   * @param followLink whether a link at the end of the path is followed
   * @throws NOT_FOUND for a path that is not there
   */
  copyFrom(
    id: string,
    path: string,
    followLink: boolean,
  ): Promise<{ stat: PathFacts; archive: AsyncIterable<Uint8Array> }>;
  /**
   * Unpacks a tar archive into a folder of it; nothing is written outside of its root filesystem and mounts.
   * @param keepOwners whether files get the archive's owners, or root's
   * @throws NOT_FOUND for a folder that is not there, INVALID_ARGUMENT for what is no archive or no folder
   */
  copyTo(id: string, path: string, archive: AsyncIterable<Uint8Array>, keepOwners: boolean): Promise<void>;
  /** Its /etc/hosts and /etc/resolv.conf, anew; a running container sees them at once. As in its settings otherwise. */
  setNames(id: string, names: Pick<ContainerSettings, 'addresses' | 'hosts' | 'dns'>): Promise<void>;
}

export interface ContainerFacts {
  readonly imageId: string;
  /** Entrypoint and arguments as run. */
  readonly command: readonly string[];
  /** Ports that the image exposes: "80/tcp". */
  readonly exposedPorts: readonly string[];
  /** Where its root filesystem is mounted while it runs. */
  readonly rootfs: string;
  readonly logPath: string;
  readonly volumes: readonly HeldVolume[];
}

/** A volume that a container has. */
export interface HeldVolume {
  readonly name: string;
  /** Path in the container. */
  readonly target: string;
  /** Folder on this machine. */
  readonly source: string;
  /** Path in the volume that is mounted; empty: all of it. */
  readonly subpath: string;
  readonly readOnly: boolean;
}

/** Input and output of a running process. */
export interface ProcessStreams {
  readonly tty: boolean;
  /**
   * In the order written; a terminal's is all `stdout`. Ends when the process has closed both. To be read, or
   * let go of: what is not taken holds the process up.
   */
  readonly output: AsyncIterable<{ readonly stream: 'stdout' | 'stderr'; readonly data: Uint8Array }>;
  /** Resolves when it is taken: callers wait for it, so that input cannot pile up. */
  write(data: Uint8Array): Promise<void>;
  /**
   * No more input: the process reads the end of its file. Without effect on a terminal, where the end is a
   * character, and on a container's input that outlives those who give it (not `stdinOnce`).
   */
  closeInput(): Promise<void>;
  /** Of a terminal; ignored without one. */
  resize(rows: number, columns: number): Promise<void>;
  /** To this process. @throws INVALID_ARGUMENT for a signal that does not exist */
  signal(name: string): Promise<void>;
  /**
   * Resolves with its exit code: 128 + n when killed by signal n, 126 or 127 with words when it could not be run.
   * Rejects when that will never be known: the container was removed before it ran.
   */
  readonly exit: Promise<{ readonly code: number; readonly error: string }>;
  /** Lets go of it; the process goes on. */
  close(): void;
}

export interface ExecSettings {
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly env: readonly string[];
  /** Empty: the container's own. */
  readonly user: string;
  /** Empty: the container's own. */
  readonly dir: string;
  readonly privileged: boolean;
  readonly rows: number;
  readonly columns: number;
  /** After that it is killed, with what it has started: soon after even when this daemon has ended. Left out: never. */
  readonly timeoutMs?: number;
}

export interface ProcessTable {
  readonly titles: readonly string[];
  readonly processes: readonly (readonly string[])[];
}

/** Bytes and nanoseconds, since its start where they count up. */
export interface ResourceUsage {
  /** Of a monotonic clock, in nanoseconds. */
  readonly readAtNs: bigint;
  readonly cpuNs: number;
  /** Without reclaimable file cache. */
  readonly memoryBytes: number;
  /** The machine's memory when there is no limit. */
  readonly memoryLimitBytes: number;
  readonly pids: number;
  readonly blockReadBytes: number;
  readonly blockWriteBytes: number;
  readonly networkReceivedBytes: number;
  readonly networkSentBytes: number;
}

/** Since its start. */
export interface LoadCounters {
  /** Of a monotonic clock, in nanoseconds. */
  readonly readAtNs: bigint;
  readonly cpuNs: number;
  /** TCP connections that were opened to it, and taken. */
  readonly connections: number;
}

export interface PathFacts {
  readonly name: string;
  readonly size: number;
  /** st_mode of stat(2). */
  readonly mode: number;
  readonly modifiedAt: number;
  readonly linkTarget: string;
}
