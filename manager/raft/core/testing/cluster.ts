import { confChangeOf } from '../confchange/change.js';
import type { Config } from '../config.js';
import { RaftError } from '../errors.js';
import { MemoryStorage } from '../log/memory-storage.js';
import { RawNode } from '../raw-node.js';
import type { Ready } from '../ready.js';
import {
  ConfState,
  type Entry,
  type Message,
  type NodeId,
  type ReadState,
  Snapshot,
  SnapshotMetadata,
} from '../types.js';
import { deepFreeze } from './deep-freeze.js';

/** Nodes begin with a snapshot at this index and term 1 that holds nothing but the configuration. */
export const firstSnapshotIndex = 1;

export interface Member {
  readonly node: RawNode;
  readonly storage: MemoryStorage;
  readonly applied: Entry[];
  readonly reads: ReadState[];
}

/** A group whose members write at once and whose messages all arrive, unless a test says otherwise. */
export class Cluster {
  readonly members = new Map<NodeId, Member>();
  /** A message for which this is false is lost. */
  passes: (m: Message) => boolean = () => true;
  #inFlight: Message[] = [];

  constructor(voters: readonly NodeId[], config: Partial<Config> = {}, learners: readonly NodeId[] = []) {
    for (const id of [...voters, ...learners]) this.add(id, ConfState.create({ voters, learners }), config);
  }

  add(id: NodeId, confState: ConfState, config: Partial<Config> = {}): Member {
    const storage = new MemoryStorage();
    if (confState.voters.length > 0) {
      const metadata = SnapshotMetadata.create({ index: firstSnapshotIndex, term: 1, confState });
      storage.applySnapshot(deepFreeze(Snapshot.create({ metadata })));
    }
    const member: Member = { node: new RawNode(testConfig(id, storage, config)), storage, applied: [], reads: [] };
    this.members.set(id, member);
    return member;
  }

  member(id: NodeId): Member {
    const member = this.members.get(id);
    if (!member) throw new Error(`no member ${id}`);
    return member;
  }

  node(id: NodeId): RawNode {
    return this.member(id).node;
  }

  /** Handles what is ready and delivers what is sent until nothing happens any more. */
  settle(): void {
    for (let busy = true; busy; ) {
      busy = false;
      for (const member of this.members.values()) {
        if (!member.node.hasReady()) continue;
        this.#inFlight.push(...handleReady(member).messages);
        busy = true;
      }
      const arriving = this.#inFlight.filter((m) => this.passes(m));
      this.#inFlight = [];
      for (const m of arriving) {
        tolerate(() => this.members.get(m.to)?.node.step(m));
        busy = true;
      }
    }
  }

  /** A settled cluster with this leader. */
  elect(id: NodeId): this {
    this.node(id).campaign();
    this.settle();
    return this;
  }

  /** Nothing gets to or from these nodes. */
  isolate(...ids: readonly NodeId[]): void {
    this.passes = (m) => !ids.includes(m.to) && !ids.includes(m.from);
  }

  heal(): void {
    this.passes = () => true;
  }

  tick(id: NodeId, times = 1): void {
    for (let i = 0; i < times; i++) this.node(id).tick();
  }

  states(): Readonly<Record<NodeId, string>> {
    return Object.fromEntries([...this.members].map(([id, { node }]) => [id, node.raft.state]));
  }

  /** The payloads that were applied, without empty entries. */
  applied(id: NodeId): readonly string[] {
    return this.member(id)
      .applied.filter(({ data }) => data.length > 0)
      .map(({ data }) => Buffer.from(data).toString());
  }
}

export function testConfig(id: NodeId, storage: MemoryStorage, config: Partial<Config> = {}): Config {
  return { id, storage, electionTick: 10, heartbeatTick: 1, maxInflightMsgs: 256, random: () => 0, ...config };
}

/** Writes, applies and advances at once; what came out is frozen. */
export function handleReady({ node, storage, applied, reads }: Member): Ready {
  const ready = deepFreeze(node.ready());
  if (ready.snapshot) storage.applySnapshot(ready.snapshot);
  storage.append(ready.entries);
  if (ready.hardState) storage.setHardState(ready.hardState);
  reads.push(...ready.readStates);
  for (const entry of ready.committedEntries) {
    applied.push(entry);
    const change = confChangeOf(entry);
    if (change) node.applyConfChange(change);
  }
  node.advance();
  return ready;
}

/** What a node refuses is not the cluster's failure. */
export function tolerate(action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof RaftError)) throw error;
  }
}

export function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}
