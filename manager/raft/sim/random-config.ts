import type { Random } from '../core/testing/random.js';
import type { NodeConfig } from './sim-node.js';

/** Every mixture of options that a group may run with. */
export function randomConfig(random: Random): NodeConfig {
  const heartbeatTick = 1 + random.below(3);
  return {
    electionTick: heartbeatTick + 2 + random.below(6),
    heartbeatTick,
    maxInflightMsgs: 1 + random.below(10),
    maxSizePerMsg: random.pick([0, 0, 50, Number.POSITIVE_INFINITY]) ?? 0,
    maxCommittedSizePerReady: random.pick([20, 200, Number.POSITIVE_INFINITY]) ?? 200,
    asyncStorageWrites: random.chance(0.5),
    preVote: random.chance(0.5),
    checkQuorum: random.chance(0.4),
    stepDownOnRemoval: random.chance(0.7),
  };
}
