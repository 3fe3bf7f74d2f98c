import { RaftError } from './errors.js';
import type { Storage } from './log/storage.js';
import { type RaftLogger, silentLogger } from './logger.js';
import { type Index, isLocalTarget, type NodeId, None } from './types.js';

/**
 * How reads are made linearizable. `safe` confirms leadership with a quorum for each read; with
 * `lease-based` the leader answers alone while its lease holds, which is only correct when clocks
 * drift less than the lease allows, and needs checkQuorum.
 */
export type ReadOnlyOption = 'safe' | 'lease-based';

export interface Config {
  readonly id: NodeId;
  /** Ticks without a word from the leader after which a follower campaigns; at most twice this. */
  readonly electionTick: number;
  /** Ticks between two heartbeats; much smaller than electionTick. */
  readonly heartbeatTick: number;
  /** What is durable. Read here, written by whoever handles Ready. */
  readonly storage: Storage;
  /** Uniform in [0, 1). Spreads election timeouts: the only randomness there is. */
  readonly random: () => number;
  readonly logger?: RaftLogger;
  /** Entries up to here were applied before this start and are not handed out again. */
  readonly applied?: Index;
  /** Write storage by MsgStorageAppend and MsgStorageApply, instead of Ready and advance(). */
  readonly asyncStorageWrites?: boolean;
  /** Bytes of entries in one MsgApp; at least one entry is always sent. Default: no limit. */
  readonly maxSizePerMsg?: number;
  /** Bytes of committed entries being applied at a time. Default: maxSizePerMsg. */
  readonly maxCommittedSizePerReady?: number;
  /** Payload bytes not yet committed, past which a leader drops proposals. Default: no limit. */
  readonly maxUncommittedEntriesSize?: number;
  /** MsgApps on their way to one follower. */
  readonly maxInflightMsgs: number;
  /** Payload bytes on their way to one follower; at least maxSizePerMsg. Default: no limit. */
  readonly maxInflightBytes?: number;
  /** A leader that hears from no quorum for an election timeout steps down. */
  readonly checkQuorum?: boolean;
  /** Ask whether an election could be won before raising the term (thesis 9.6). */
  readonly preVote?: boolean;
  readonly readOnly?: ReadOnlyOption;
  /** Followers drop proposals rather than send them to the leader. */
  readonly disableProposalForwarding?: boolean;
  /**
   * Let any configuration change into the log. The checks are made against the configuration that
   * is applied, which may not be the newest in the log; who serialises changes elsewhere can do
   * without. A change that does not fit when it is applied stops the process.
   */
  readonly disableConfChangeValidation?: boolean;
  /** A leader that is removed or made a learner becomes a follower at once. */
  readonly stepDownOnRemoval?: boolean;
}

export type CompleteConfig = Required<Config>;

/** Fills in defaults. @throws RaftError (invalid-config) naming the field */
export function completeConfig(config: Config): CompleteConfig {
  const maxSizePerMsg = config.maxSizePerMsg ?? Number.POSITIVE_INFINITY;
  const complete: CompleteConfig = {
    logger: silentLogger,
    applied: 0,
    asyncStorageWrites: false,
    maxCommittedSizePerReady: maxSizePerMsg,
    maxUncommittedEntriesSize: Number.POSITIVE_INFINITY,
    maxInflightBytes: Number.POSITIVE_INFINITY,
    checkQuorum: false,
    preVote: false,
    readOnly: 'safe',
    disableProposalForwarding: false,
    disableConfChangeValidation: false,
    stepDownOnRemoval: false,
    ...config,
    maxSizePerMsg,
  };
  check(complete);
  return complete;
}

function check(config: CompleteConfig): void {
  const refuse = (text: string) => {
    throw new RaftError('invalid-config', text);
  };
  if (config.id === None) refuse('cannot use none as id');
  if (isLocalTarget(config.id)) refuse('cannot use local target as id');
  if (!Number.isSafeInteger(config.id) || config.id < 0) refuse(`id ${config.id} is not a positive safe integer`);
  if (config.heartbeatTick <= 0) refuse('heartbeat tick must be greater than 0');
  if (config.electionTick <= config.heartbeatTick) refuse('election tick must be greater than heartbeat tick');
  if (config.maxInflightMsgs <= 0) refuse('max inflight messages must be greater than 0');
  if (config.maxInflightBytes < config.maxSizePerMsg && config.maxInflightBytes !== Number.POSITIVE_INFINITY)
    refuse('max inflight bytes must be >= max message size');
  if (config.maxCommittedSizePerReady <= 0) refuse('max committed size per ready must be greater than 0');
  if (config.readOnly === 'lease-based' && !config.checkQuorum)
    refuse('check quorum must be enabled when reads are lease-based');
}
