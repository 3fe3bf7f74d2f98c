/** A replicated store of keys, seen from many clients. Each client talks to one member, they are spread evenly. */
export interface KvTarget {
  /** Resolves when the write is acknowledged: durable on a majority. */
  put(client: number, key: string, value: Uint8Array): Promise<void>;
  /** A linearizable read. */
  get(client: number, key: string): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}

/** What another process needs to open the target. */
export interface TargetDescription {
  /** `host:port` of each member; client n talks to member n modulo their number. */
  readonly members: readonly string[];
}

/** Three members of some make, as processes of this machine, that the comparison drives. */
export interface Cluster {
  readonly name: string;
  /** Starts with no data; resolves when all members serve. */
  start(): Promise<void>;
  /** Ends the members and removes their data. */
  stop(): Promise<void>;
  target(): TargetDescription;
  /** Kills the leader's process with SIGKILL. @returns `performance.now()` at the signal */
  killLeader(): Promise<number>;
  /** Starts the killed member again; resolves when it serves and has all that was written before. */
  restart(): Promise<void>;
}
