import type { Clock } from '../../../lib/clock.js';
import type { SwarmError } from '../../../lib/errors.js';
import type { Logger } from '../../../lib/log.js';
import type { StateMachine } from '../../store/proposer.js';
import type { MemoryStorage } from '../core/log/memory-storage.js';
import { RawNode } from '../core/raw-node.js';
import type { Entry, Message, NodeId, SoftState, Term } from '../core/types.js';
import type { RaftDisk } from '../disk/raft-disk.js';
import type { PeerState } from '../transport/link.js';
import { AppendWorker } from './append-worker.js';
import { ApplyWorker } from './apply-worker.js';
import type { Contact } from './contact.js';
import { coreLogger } from './core-logger.js';
import { Engine } from './engine.js';
import { GroupChanges } from './group-changes.js';
import type { Leadership } from './leadership.js';
import type { PendingProposals } from './pending.js';
import { Reads } from './reads.js';
import {
  ELECTION_TICKS,
  HEARTBEAT_TICKS,
  MAX_APPLY_BYTES,
  MAX_INFLIGHT_BYTES,
  MAX_INFLIGHT_MESSAGES,
  MAX_MESSAGE_BYTES,
  MAX_UNCOMMITTED_BYTES,
} from './settings.js';
import { type SnapshotPolicy, Snapshotter } from './snapshotter.js';
import { Ticks } from './ticks.js';

/** What a member consists of while it runs. */
export interface Parts {
  readonly disk: RaftDisk;
  readonly raw: RawNode;
  readonly engine: Engine;
  readonly appender: AppendWorker;
  readonly applier: ApplyWorker;
  readonly snapshotter: Snapshotter;
  readonly reads: Reads;
  readonly group: GroupChanges;
  readonly ticks: Ticks;
}

export interface PartsOptions {
  readonly raftId: NodeId;
  readonly disk: RaftDisk;
  /** The log in memory, as it was recovered; `machine` holds the state of its snapshot. */
  readonly storage: MemoryStorage;
  readonly machine: StateMachine;
  readonly policy: () => SnapshotPolicy;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
  readonly leadership: Leadership;
  readonly pending: PendingProposals;
  readonly contact: Contact;
  readonly addressOf: (id: NodeId) => string | undefined;
  readonly peers: () => ReadonlyMap<NodeId, PeerState>;
  readonly send: (messages: readonly Message[]) => void;
  /** The core was given a tick that did something. */
  readonly onTick: () => void;
  /** Who leads or this node's role has changed. */
  readonly onSoft: (soft: SoftState, term: Term) => void;
  readonly onApplied: (entry: Entry) => void;
  /** The leader's snapshot takes the place of log and state. */
  readonly onReplaced: () => void;
  readonly noQuorum: () => SwarmError;
  readonly onFatal: (error: unknown) => void;
}

/** Puts the core between disk, state machine and network. */
export function assemble(options: PartsOptions): Parts {
  const { raftId, disk, storage, machine, policy, clock, log, random, pending, onFatal } = options;
  const { index, confState } = storage.snapshot().metadata;
  const applier: ApplyWorker = new ApplyWorker({
    machine,
    index,
    confState,
    applyConfChange: (change) => raw.applyConfChange(change),
    onApplied: options.onApplied,
    onResponses: (responses) => engine.step(responses),
    onFatal,
  });
  const appender: AppendWorker = new AppendWorker({
    disk,
    storage,
    machine,
    onReplace: (metadata) => {
      applier.replacedBy(metadata);
      snapshotter.replacedBy(metadata.index);
      pending.replacedBy(metadata.index);
      options.onReplaced();
    },
    onRestored: (metadata) => {
      applier.restored(metadata);
      reads.applied();
    },
    onDurable: (messages) => engine.deliver(messages, raftId),
    onFatal,
  });
  const snapshotter = new Snapshotter({ disk, storage, machine, appender, applier, policy, log }, index);
  const raw: RawNode = new RawNode({
    id: raftId,
    electionTick: ELECTION_TICKS,
    heartbeatTick: HEARTBEAT_TICKS,
    storage: snapshotter.coreStorage,
    random,
    logger: coreLogger(log),
    applied: index,
    asyncStorageWrites: true,
    maxSizePerMsg: MAX_MESSAGE_BYTES,
    maxCommittedSizePerReady: MAX_APPLY_BYTES,
    maxInflightMsgs: MAX_INFLIGHT_MESSAGES,
    maxInflightBytes: MAX_INFLIGHT_BYTES,
    maxUncommittedEntriesSize: MAX_UNCOMMITTED_BYTES,
    checkQuorum: true,
    preVote: true,
    disableProposalForwarding: true,
    stepDownOnRemoval: true,
  });
  const ticks = new Ticks({
    clock,
    raw,
    onTicks: (count) => {
      const { state, tracker } = raw.raft;
      if (state === 'StateLeader') options.contact.tick(tracker.progress, count);
    },
    act: () => {
      engine.input((core) => core.tick());
      options.onTick();
    },
  });
  const engine: Engine = new Engine(
    raw,
    {
      send: options.send,
      append: (message) => appender.push(message),
      apply: (message) => applier.push(message),
      read: (read) => reads.confirmed(read),
      soft: (soft) => options.onSoft(soft, raw.raft.term),
      begin: () => ticks.catchUp(),
      settled: () => ticks.arm(),
      fatal: onFatal,
    },
    log,
  );
  const reads = new Reads({
    id: raftId,
    clock,
    random,
    readIndex: (context) => engine.input((core) => core.readIndex(context)),
    applied: () => applier.index,
    noQuorum: options.noQuorum,
  });
  const group = new GroupChanges({
    self: raftId,
    raw,
    engine,
    leadership: options.leadership,
    pending,
    contact: options.contact,
    confState: () => applier.confState,
    applied: () => applier.index,
    addressOf: options.addressOf,
    peers: options.peers,
  });
  return { disk, raw, engine, appender, applier, snapshotter, reads, group, ticks };
}
