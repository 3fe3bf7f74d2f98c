import { campaign, poll } from './election.js';
import { RaftError } from './errors.js';
import { handleAppendEntries, handleHeartbeat } from './follower.js';
import { hex } from './logger.js';
import type { Raft } from './raft.js';
import { broadcastAppend } from './replication.js';
import { handleSnapshot } from './restore.js';
import { becomeFollower, becomeLeader } from './roles.js';
import { type Message, MsgType, MsgTypeName, None } from './types.js';

/**
 * What a candidate or pre-candidate does with a message of its own term, or of none: they differ in
 * which answers count. @throws RaftError (proposal-dropped)
 */
export function stepCandidate(r: Raft, m: Message): void {
  switch (m.type) {
    case MsgType.MsgProp:
      r.logger.info(`${hex(r.id)} no leader at term ${r.term}; dropping proposal`);
      throw new RaftError('proposal-dropped');
    case MsgType.MsgApp:
      becomeFollower(r, m.term, m.from);
      handleAppendEntries(r, m);
      break;
    case MsgType.MsgHeartbeat:
      becomeFollower(r, m.term, m.from);
      handleHeartbeat(r, m);
      break;
    case MsgType.MsgSnap:
      becomeFollower(r, m.term, m.from);
      handleSnapshot(r, m);
      break;
    case MsgType.MsgPreVoteResp:
    case MsgType.MsgVoteResp:
      // Answers to the pre-vote may still come in while the vote runs.
      if (m.type === (r.state === 'StatePreCandidate' ? MsgType.MsgPreVoteResp : MsgType.MsgVoteResp))
        handleVoteResponse(r, m);
      break;
    case MsgType.MsgTimeoutNow:
      r.logger.debug(`${hex(r.id)} [term ${r.term} state ${r.state}] ignored MsgTimeoutNow from ${hex(m.from)}`);
      break;
  }
}

function handleVoteResponse(r: Raft, m: Message): void {
  const { granted, rejected, result } = poll(r, m.from, m.type, !m.reject);
  r.logger.info(`${hex(r.id)} has received ${granted} ${MsgTypeName[m.type]} votes and ${rejected} vote rejections`);
  switch (result) {
    case 'VoteWon':
      if (r.state === 'StatePreCandidate') {
        campaign(r, 'election');
      } else {
        becomeLeader(r);
        broadcastAppend(r);
      }
      break;
    case 'VoteLost':
      // At its own term: that of a pre-vote's answer is one in which nobody is yet.
      becomeFollower(r, r.term, None);
      break;
    case 'VotePending':
      break;
  }
}
