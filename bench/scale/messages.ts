import type { JoinTokens } from '../../proto/gen/index.js';

/** What a manager's process is started with. */
export interface ManagerJob {
  readonly folder: string;
  /** host:port for nodes and other managers. */
  readonly address: string;
  /** Path of the socket for operators. */
  readonly socket: string;
  /** Undefined: it makes the swarm. */
  readonly join?: { readonly leader: string; readonly token: string };
}

export interface ManagerReady {
  /** Undefined while it has not got the state of the swarm that it has joined. */
  readonly tokens: JoinTokens | undefined;
}

/** What it answers when it is asked for anything. */
export interface ManagerStatus {
  readonly leads: boolean;
  /** Has a vote, and somebody leads. */
  readonly settled: boolean;
  /** Of tasks, those that run and are to, on nodes that are not down. */
  readonly running: number;
  /** Nodes that are down. */
  readonly down: number;
  /** Bytes. */
  readonly rss: number;
  /** Of the process so far, in microseconds. */
  readonly cpu: number;
}

/** What a process with simulated nodes is started with. */
export interface AgentsJob {
  /** Managers' host:port: nodes join by one after another. */
  readonly addresses: readonly string[];
  readonly token: string;
  /** Names of its nodes. */
  readonly names: readonly string[];
}

/** What it is asked. */
export interface AgentsRequest {
  /** So many of its nodes go without a word, as machines do whose daemon is killed. */
  readonly lose: number;
}

/** What it answers: about the time since the last answer. */
export interface AgentsStatus {
  readonly connected: number;
  /** From a task's making until its node knew of it, of each task, in milliseconds. */
  readonly delays: readonly number[];
  /** Why sessions have ended. */
  readonly errors: readonly string[];
  /** Of the process so far, in microseconds. */
  readonly cpu: number;
}
