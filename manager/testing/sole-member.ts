import { systemClock } from '../../lib/clock.js';
import { type Logger, silentLogger } from '../../lib/log.js';
import type { ManagerIdentity } from '../identity.js';
import { Roster } from '../membership/roster.js';
import type { Group, GroupMember } from '../raft/member/group.js';
import { RaftMember } from '../raft/member/raft-member.js';
import type { Store } from '../store/store.js';

/** The group of a manager whose log is in memory: it is alone, and stays so. */
export class SoleMember implements Group {
  readonly self = 1;
  readonly applied = 0;

  members(): readonly GroupMember[] {
    const address = '203.0.113.1:2377';
    return [{ raftId: this.self, voter: true, leader: true, reachable: true, answered: true, caughtUp: true, address }];
  }

  addLearner = refuse;
  promote = refuse;
  remove = refuse;
  transferLeadership = refuse;
}

async function refuse(): Promise<never> {
  throw new RangeError('a log in memory has one member');
}

/** The managers of a swarm that was made with `bootstrapSwarm` over such a log. */
export function testRoster(store: Store): Roster {
  const identity = { group: 'test', secret: new Uint8Array(32) };
  const group = new SoleMember();
  return new Roster({ store, group: () => group, identity, clock: systemClock, log: silentLogger });
}

/** The log of a manager without others, on disk. */
export function soleMember(folder: string, identity: ManagerIdentity, log: Logger): RaftMember {
  const { raftId, group, keys, secret } = identity;
  return new RaftMember({
    folder,
    keys,
    raftId,
    group,
    nodeId: 'sole',
    address: '127.0.0.1:1',
    credential: { nodeId: 'sole', secret: new Uint8Array(32), managerSecret: secret },
    onEmpty: 'begin',
    initialPeers: new Map(),
    addressOf: () => undefined,
    policy: () => ({ interval: 10_000, keepEntries: 500 }),
    keepOldSnapshots: () => 0,
    clock: systemClock,
    log,
    onFatal: (error) => {
      throw error;
    },
  });
}
