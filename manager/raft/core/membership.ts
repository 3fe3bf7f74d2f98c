import { transitionOf } from './confchange/change.js';
import { type ChangeBase, enterJoint, leaveJointConfig, type Membership, simpleChange } from './confchange/changer.js';
import { hex } from './logger.js';
import { isVoter } from './quorum/joint.js';
import type { Raft } from './raft.js';
import { broadcastAppend, maybeCommit, maybeSendAppend } from './replication.js';
import { becomeFollower } from './roles.js';
import { configString, confStateOf } from './tracker/tracker.js';
import { type ConfChangeV2, type ConfState, None } from './types.js';

/**
 * Applies a committed change; returns the configuration from now on.
 * @throws RaftError (conf-change-refused) when it does not fit: then nothing has changed. Every node
 * applies the same changes to the same configuration, so all refuse it.
 */
export function applyConfChange(r: Raft, change: ConfChangeV2): ConfState {
  return switchToConfig(r, changed(r, change));
}

function changed(r: Raft, change: ConfChangeV2): Membership {
  const { config, progress } = r.tracker;
  const base: ChangeBase = {
    config,
    progress,
    lastIndex: r.log.lastIndex(),
    newInflights: () => r.tracker.newInflights(),
  };
  switch (transitionOf(change)) {
    case 'leave-joint':
      return leaveJointConfig(base);
    case 'enter-joint':
      return enterJoint(base, false, change.changes);
    case 'enter-joint-autoleave':
      return enterJoint(base, true, change.changes);
    case 'simple':
      return simpleChange(base, change.changes);
  }
}

/** Takes over a configuration with what follows for this node: its role, its commits, its followers. */
export function switchToConfig(r: Raft, { config, progress }: Membership): ConfState {
  r.tracker.switchTo(config, progress);
  r.logger.info(`${hex(r.id)} switched to configuration ${configString(config)}`);
  const state = confStateOf(config);
  const own = r.tracker.progress.get(r.id);
  r.isLearner = own?.isLearner === true;

  if (r.state !== 'StateLeader') return state;
  if (!own || r.isLearner) {
    // Removed or demoted. Unless it steps down it leads on without a vote of its own, and takes no
    // proposals, until someone else campaigns.
    if (r.config.stepDownOnRemoval) becomeFollower(r, r.term, None);
    return state;
  }
  if (state.voters.length === 0) return state;

  if (maybeCommit(r)) {
    // The smaller quorum has more than the larger one had.
    broadcastAppend(r);
  } else {
    // New members need not wait for a heartbeat or a proposal.
    for (const id of r.tracker.progress.keys()) if (id !== r.id) maybeSendAppend(r, id, false);
  }
  if (r.leadTransferee !== None && !isVoter(config.voters, r.leadTransferee)) r.leadTransferee = None;
  return state;
}
