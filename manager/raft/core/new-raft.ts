import { type Config, completeConfig } from './config.js';
import { hex } from './logger.js';
import { Raft } from './raft.js';
import { restoreConfState } from './restore.js';
import { becomeFollower } from './roles.js';
import { None } from './types.js';

/**
 * A node as it left off: log, configuration, term, vote and commit index from storage.
 * @throws RaftError (invalid-config); InvariantError when storage contradicts itself
 */
export function newRaft(config: Config): Raft {
  const r = new Raft(completeConfig(config));
  const { hardState, confState } = config.storage.initialState();
  restoreConfState(r, confState);
  r.term = hardState.term;
  r.vote = hardState.vote;
  // What was applied was committed, even where the crash came before the hard state that says so was
  // written: entries may be applied meanwhile.
  r.log.restoreCommitted(Math.max(hardState.commit, r.config.applied));
  if (r.config.applied > 0) r.log.appliedTo(r.config.applied, 0);
  becomeFollower(r, r.term, None);
  const last = r.log.lastEntryId();
  const peers = [...r.tracker.progress].filter(([, { isLearner }]) => !isLearner).map(([id]) => hex(id));
  r.logger.info(
    `newRaft ${hex(r.id)} [peers: [${peers.join(',')}], term: ${r.term}, commit: ${r.log.committed}, applied: ${r.log.applied}, lastindex: ${last.index}, lastterm: ${last.term}]`,
  );
  return r;
}
