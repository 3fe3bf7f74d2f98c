import { aborted, unavailable } from '../../../lib/errors.js';
import type { RawNode } from '../core/raw-node.js';
import {
  ConfChangeSingle,
  ConfChangeType,
  ConfChangeV2,
  type ConfState,
  type Index,
  type NodeId,
} from '../core/types.js';
import type { PeerState } from '../transport/link.js';
import { membersOf } from './address-book.js';
import type { Contact } from './contact.js';
import type { Engine } from './engine.js';
import type { Group, GroupMember } from './group.js';
import type { Leadership } from './leadership.js';
import type { PendingProposals } from './pending.js';
import { TRANSFER_TIMEOUT } from './settings.js';

export interface GroupParts {
  readonly self: NodeId;
  readonly raw: RawNode;
  readonly engine: Engine;
  readonly leadership: Leadership;
  readonly pending: PendingProposals;
  readonly contact: Contact;
  readonly confState: () => ConfState;
  readonly applied: () => Index;
  readonly addressOf: (id: NodeId) => string | undefined;
  readonly peers: () => ReadonlyMap<NodeId, PeerState>;
}

/** Entries by which a member may be behind and still count as caught up. */
const CAUGHT_UP = 100;

/** The members as the core has them, and the changes that it takes: one at a time, each of one member. */
export class GroupChanges implements Group {
  readonly #parts: GroupParts;

  constructor(parts: GroupParts) {
    this.#parts = parts;
  }

  get self(): NodeId {
    return this.#parts.self;
  }

  get applied(): Index {
    return this.#parts.applied();
  }

  members(): readonly GroupMember[] {
    const { self, raw, leadership, contact, addressOf, peers } = this.#parts;
    const confState = this.#parts.confState();
    const { progress } = raw.status();
    const lastIndex = raw.raft.log.lastIndex();
    const leads = leadership.lead === self;
    return membersOf(confState).map((raftId) => {
      const match = progress.get(raftId)?.match ?? 0;
      return {
        raftId,
        voter: confState.voters.includes(raftId),
        leader: raftId === leadership.lead,
        reachable: raftId === self || (leads ? contact.isReachable(raftId) : peers().get(raftId)?.connected === true),
        answered: raftId === self || (leads && contact.hasAnswered(raftId)),
        caughtUp: raftId === self || (leads && match > 0 && match + CAUGHT_UP >= lastIndex),
        address: addressOf(raftId),
      };
    });
  }

  addLearner(raftId: NodeId): Promise<void> {
    return this.#change(ConfChangeType.ConfChangeAddLearnerNode, raftId, ({ learners }) => learners.includes(raftId));
  }

  promote(raftId: NodeId): Promise<void> {
    return this.#change(ConfChangeType.ConfChangeAddNode, raftId, ({ voters }) => voters.includes(raftId));
  }

  remove(raftId: NodeId): Promise<void> {
    return this.#change(ConfChangeType.ConfChangeRemoveNode, raftId, (now) => !membersOf(now).includes(raftId));
  }

  async transferLeadership(to?: NodeId): Promise<void> {
    const { self, engine, leadership } = this.#parts;
    const target = to ?? this.#successor();
    if (target === undefined) throw unavailable('no other manager can take over the leadership');
    engine.input((raw) => raw.transferLeader(target));
    const deadline = AbortSignal.timeout(TRANSFER_TIMEOUT);
    try {
      await leadership.until(({ lead }) => lead !== self && lead !== 0, deadline);
    } catch (error) {
      if (!deadline.aborted) throw error;
      throw unavailable(`manager ${target} has not taken over the leadership in ${TRANSFER_TIMEOUT / 1000} s`);
    }
  }

  /** The reachable voter that has the most of the log. */
  #successor(): NodeId | undefined {
    const { self, raw } = this.#parts;
    const { progress } = raw.status();
    const match = ({ raftId }: GroupMember) => progress.get(raftId)?.match ?? 0;
    return this.members()
      .filter(({ raftId, voter, reachable }) => raftId !== self && voter && reachable)
      .sort((a, b) => match(b) - match(a))[0]?.raftId;
  }

  /** @throws UNAVAILABLE, UNKNOWN as a proposal does; ABORTED when another change was under way */
  async #change(type: ConfChangeType, nodeId: NodeId, inForce: (now: ConfState) => boolean): Promise<void> {
    const { engine, leadership, pending, confState } = this.#parts;
    if (!leadership.standing.leading) throw unavailable('this manager does not lead');
    const change = ConfChangeV2.create({ changes: [ConfChangeSingle.create({ type, nodeId })] });
    let applied: Promise<Index> | undefined;
    const taken = engine.input((raw) => {
      raw.proposeConfChange({ version: 2, change });
      applied = pending.add(raw.raft.log.lastIndex(), raw.raft.term);
    });
    if (!taken || !applied) throw unavailable('this manager takes no changes now');
    await applied;
    if (!inForce(confState())) throw aborted('another change of the managers was under way: try again');
  }
}
