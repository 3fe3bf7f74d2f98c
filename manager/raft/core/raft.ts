import type { CompleteConfig } from './config.js';
import { InvariantError } from './errors.js';
import { RaftLog } from './log/log.js';
import type { RaftLogger } from './logger.js';
import { ReadOnlyQueue } from './read-only.js';
import { ProgressTracker } from './tracker/tracker.js';
import {
  type HardState,
  type Index,
  type Message,
  MsgType,
  message,
  type NodeId,
  None,
  type RaftState,
  type ReadState,
  type SoftState,
  safeInteger,
  type Term,
} from './types.js';

/** What send() completes: the sender, and the term where the message type carries this node's. */
export type Outgoing = Partial<Message> & Pick<Message, 'type' | 'to'>;

/**
 * The state of one node: what the modules beside this one, one for each role and task, work on. It
 * does no I/O and knows no time but ticks; RawNode is the way in.
 */
export class Raft {
  readonly id: NodeId;
  readonly config: CompleteConfig;
  readonly log: RaftLog;
  readonly tracker: ProgressTracker;
  readonly logger: RaftLogger;

  term: Term = 0;
  vote: NodeId = None;
  state: RaftState = 'StateFollower';
  lead: NodeId = None;
  isLearner = false;

  /** The node that is to take over (thesis 3.10); proposals are dropped meanwhile. */
  leadTransferee: NodeId = None;
  /**
   * At most one change of configuration may be in the log and not applied: a leader accepts one only
   * when it has applied everything up to this index.
   */
  pendingConfIndex: Index = 0;
  /** The leader's estimate of payload bytes that are not committed; never too high. */
  uncommittedSize = 0;

  reads = new ReadOnlyQueue();
  /** Reads that came before this leader committed an entry of its term: it cannot know the commit index yet. */
  earlyReads: Message[] = [];
  readStates: ReadState[] = [];

  /** Ticks since the leader was heard from; for a leader, since it last checked its quorum. */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  /** In [electionTick, 2 * electionTick): drawn anew with each reset. */
  randomizedElectionTimeout = 0;

  /** To other nodes, at once. */
  messages: Message[] = [];
  /**
   * Only after everything unstable so far is durable. A vote or an acknowledgement that is sent and
   * then forgotten in a crash could elect two leaders or lose a committed entry, so these wait:
   * those to other nodes, and the node's own votes and acknowledgements to itself.
   */
  messagesAfterAppend: Message[] = [];

  constructor(config: CompleteConfig) {
    this.config = config;
    this.id = config.id;
    this.logger = config.logger;
    this.log = new RaftLog(config.storage, config.logger, config.maxCommittedSizePerReady);
    this.tracker = new ProgressTracker(config.maxInflightMsgs, config.maxInflightBytes);
  }

  get softState(): SoftState {
    return { lead: this.lead, raftState: this.state };
  }

  get hardState(): HardState {
    return { term: this.term, vote: this.vote, commit: this.log.committed };
  }

  /**
   * Votes carry the term they are about, which the caller gives: a pre-vote is about a term that
   * nobody is in yet. Proposals and read requests carry none, since they may be forwarded. All
   * others carry this node's term.
   */
  send(outgoing: Outgoing): void {
    const complete = message(outgoing, outgoing.from || this.id, this.#termOf(outgoing));
    if (waitsForAppend(complete.type)) {
      this.messagesAfterAppend.push(complete);
      return;
    }
    if (complete.to === this.id) throw new InvariantError(`message of type ${complete.type} to the node itself`);
    this.messages.push(complete);
  }

  #termOf({ type, term = 0 }: Outgoing): Term {
    if (isVoteMessage(type)) {
      if (term === 0) throw new InvariantError(`term should be set when sending type ${type}`);
      return term;
    }
    if (term !== 0) throw new InvariantError(`term should not be set when sending type ${type} (was ${term})`);
    return type === MsgType.MsgProp || type === MsgType.MsgReadIndex ? 0 : this.term;
  }

  /** What every change of role or term has in common. */
  reset(term: Term): void {
    if (this.term !== term) {
      this.term = safeInteger(term, 'term');
      this.vote = None;
    }
    this.lead = None;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    const { electionTick, random } = this.config;
    this.randomizedElectionTimeout = electionTick + Math.floor(random() * electionTick);
    this.leadTransferee = None;
    this.tracker.resetVotes();
    this.tracker.resetProgress(this.id, this.log.lastIndex());
    this.pendingConfIndex = 0;
    this.uncommittedSize = 0;
    // Whoever reads asks again: answers of another role or term would not be to be trusted.
    this.reads = new ReadOnlyQueue();
    this.earlyReads = [];
  }

  /** Whether this node may campaign: a voter whose log is not about to be replaced by a snapshot. */
  promotable(): boolean {
    const progress = this.tracker.progress.get(this.id);
    return progress !== undefined && !progress.isLearner && !this.log.hasNextOrInProgressSnapshot();
  }
}

function isVoteMessage(type: MsgType): boolean {
  return (
    type === MsgType.MsgVote ||
    type === MsgType.MsgVoteResp ||
    type === MsgType.MsgPreVote ||
    type === MsgType.MsgPreVoteResp
  );
}

function waitsForAppend(type: MsgType): boolean {
  return type === MsgType.MsgAppResp || type === MsgType.MsgVoteResp || type === MsgType.MsgPreVoteResp;
}
