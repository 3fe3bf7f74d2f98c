import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { systemClock } from '../../lib/clock.js';
import { unavailable } from '../../lib/errors.js';
import { newId } from '../../lib/ids.js';
import { createLogger } from '../../lib/log.js';
import { RaftMember } from '../../manager/raft/member/raft-member.js';
import { LeaderClient } from '../../manager/routing/leader-client.js';
import { RelayServer } from '../../manager/routing/relay-server.js';
import { MemoryStore } from '../../manager/store/memory-store.js';
import {
  Config,
  ConfigSpec,
  ContainerSpec,
  LeaderRelayService,
  NetworkAttachment,
  RaftTransportService,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
} from '../../proto/gen/index.js';
import { type Handlers, RpcServer } from '../../proto/rpc/server.js';
import { Kv } from './kv.js';
import type { MemberJob, MemberRequest, MemberStatus } from './managers.js';

/**
 * One manager's log and store, without what a swarm does with them, as a process: Put writes a config
 * object in one transaction, Range reads one behind a read barrier. Calls that come to a follower go to
 * the leader as `tsswarm` commands do.
 */
async function serve({ folder, members, self, snapshotInterval }: MemberJob): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const log = createLogger('warn', `member${self}`);
  const nodeId = `member${self}`;
  const credential = { nodeId, secret: new Uint8Array(32), managerSecret: new Uint8Array(32) };
  const addressOf = (id: number) => members[id - 1];
  const member = new RaftMember({
    folder,
    // The same at each start, as a daemon keeps it in its state.
    keys: [{ id: '0123456789abcdef', key: createHash('sha256').update(nodeId).digest() }],
    raftId: self,
    nodeId,
    group: 'bench',
    address: addressOf(self) ?? '',
    credential,
    onEmpty: self === 1 ? 'begin' : 'wait',
    initialPeers: new Map(members.map((address, index) => [index + 1, address])),
    addressOf,
    policy: () => ({ interval: snapshotInterval, keepEntries: 500 }),
    keepOldSnapshots: () => 0,
    clock: systemClock,
    log,
    onFatal(error) {
      throw error;
    },
  });
  const store = new MemoryStore({ proposer: member, clock: systemClock, log });
  const leader = new LeaderClient({
    source: member,
    clock: systemClock,
    credential,
    noLeader: () => unavailable('no leader'),
  });
  const server = new RpcServer(log);
  server.add(RaftTransportService, member.handlers);
  const kv: Handlers<typeof Kv> = {
    put: (request, caller) =>
      leader.call({
        here: () => put(store, Buffer.from(request.key).toString(), request.value),
        there: ({ relay }) => relay.call(Kv.put, request),
        caller,
      }),
    async range({ key }) {
      await member.barrier();
      const found = store.view().get('config', Buffer.from(key).toString());
      return { kvs: found ? [{ value: found.spec.data }] : [] };
    },
  };
  server.add(Kv, kv);
  const relay = new RelayServer({ isManager: (context) => member.isPeer(context), log });
  relay.add(Kv, kv);
  server.add(LeaderRelayService, relay.handlers);
  await server.listen(addressOf(self) ?? '');
  await store.start();
  if (self === 1) await invite(member, members.length);
  process.on('message', async (request: MemberRequest) => {
    if (request.kind === 'fill') await fill(store, request.tasks);
    if (request.kind === 'reset') {
      delays.enable();
      delays.reset();
    }
    process.send?.(statusOf(member, store));
  });
  process.send?.(statusOf(member, store));
}

/** As many tasks as a large swarm has, each of some service, on some node, in one network. */
async function fill(store: MemoryStore, tasks: number): Promise<void> {
  const container = ContainerSpec.create({ image: 'registry.example/web:1', env: ['MODE=production', 'WORKERS=4'] });
  const spec = TaskSpec.create({ container });
  const status = TaskStatus.create({ state: TaskState.RUNNING, message: 'started' });
  await store.batch(Array(tasks).keys(), (draft, slot) => {
    const serviceId = `service${slot % 500}`;
    const networks = [
      NetworkAttachment.create({
        networkId: 'network',
        addresses: [`10.${slot >> 16}.${(slot >> 8) & 255}.${slot & 255}/8`],
      }),
    ];
    draft.create(
      'task',
      Task.create({ id: newId(), serviceId, slot, nodeId: `node${slot % 300}`, spec, status, networks }),
    );
  });
}

async function put(store: MemoryStore, id: string, data: Uint8Array): Promise<object> {
  await store.update((draft) => {
    const old = draft.get('config', id);
    if (old) draft.update('config', { ...old, spec: { ...old.spec, data } });
    else draft.create('config', Config.create({ id, spec: ConfigSpec.create({ name: id, data }) }));
  });
  return {};
}

/** A new group's first member makes the others voters. */
async function invite(member: RaftMember, size: number): Promise<void> {
  const { group } = member;
  if (!group || group.members().length > 1) return;
  await member.untilLeading(AbortSignal.timeout(10_000));
  for (let other = 2; other <= size; other++) {
    await group.addLearner(other);
    while (!group.members().some(({ raftId, caughtUp }) => raftId === other && caughtUp)) await systemClock.sleep(5);
    await group.promote(other);
  }
}

function statusOf(member: RaftMember, store: MemoryStore): MemberStatus {
  const loopDelay = delays.max / 1e6;
  const members = member.group?.members() ?? [];
  return {
    leads: member.standing().leading,
    leader: member.standing().leader,
    voters: members.filter(({ voter }) => voter).length,
    applied: member.group?.applied ?? 0,
    tasks: store.view().count('task'),
    rss: process.memoryUsage.rss(),
    loopDelay,
  };
}

/** Counts from the first reset: it wakes the process each millisecond. */
const delays = monitorEventLoopDelay({ resolution: 1 });
await serve(JSON.parse(process.argv[2] ?? '') as MemberJob);
