/** What the manager's process is started with. */
export interface ManagerJob {
  readonly folder: string;
  /** host:port for nodes. */
  readonly address: string;
  /** Path of the socket for operators. */
  readonly socket: string;
}

export interface ManagerReady {
  readonly workerToken: string;
}

/** What it answers when it is asked for anything. */
export interface ManagerStatus {
  /** Of tasks, those that run and are to. */
  readonly running: number;
  /** Bytes. */
  readonly rss: number;
  /** Of the process so far, in microseconds. */
  readonly cpu: number;
}

/** What a process with simulated nodes is started with. */
export interface AgentsJob {
  readonly address: string;
  readonly token: string;
  /** Names of its nodes. */
  readonly names: readonly string[];
}

/** What it answers when it is asked for anything: about the time since the last answer. */
export interface AgentsStatus {
  readonly connected: number;
  /** From a task's making until its node knew of it, of each task, in milliseconds. */
  readonly delays: readonly number[];
  /** Why sessions have ended. */
  readonly errors: readonly string[];
}
