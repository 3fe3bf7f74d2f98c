import { randomBytes } from 'node:crypto';
import { systemClock } from '../../lib/clock.js';
import { newId } from '../../lib/ids.js';
import { createLogger } from '../../lib/log.js';
import { type ManagerIdentity, newGroup } from '../../manager/identity.js';
import { Manager, type ManagerOptions } from '../../manager/manager.js';
import { newStorageKey } from '../../manager/raft/disk/file-key.js';
import {
  BecomeManagerRequest,
  ControlService,
  JoinRequest,
  JoinService,
  NodeDescription,
} from '../../proto/gen/index.js';
import { Channel } from '../../proto/rpc/client.js';
import { RpcServer } from '../../proto/rpc/server.js';
import type { ManagerJob, ManagerReady, ManagerStatus } from './messages.js';
import { RunningTasks } from './running-tasks.js';

const log = createLogger('error', 'manager');
const nodes = new RpcServer(log);

type Own = Pick<ManagerOptions, 'nodeId' | 'nodeSecret' | 'identity' | 'onEmptyLog'>;

function managerOf({ folder, address }: ManagerJob, own: Own): Manager {
  const manager = new Manager({
    dataRoot: folder,
    log,
    clock: systemClock,
    address,
    ...own,
    onFatal(error) {
      throw error;
    },
  });
  manager.registerRemote(nodes);
  return manager;
}

async function makeSwarm(job: ManagerJob): Promise<Manager> {
  const own = { nodeId: newId(), nodeSecret: randomBytes(32), identity: newGroup(), onEmptyLog: 'begin' } as const;
  const manager = managerOf(job, own);
  await manager.bootstrap({ dataPathAddress: '127.0.0.1' });
  await manager.start();
  await nodes.listen(job.address);
  return manager;
}

/** As a machine does that joins with the managers' token. */
async function joinSwarm(job: ManagerJob, leader: string, token: string): Promise<Manager> {
  await nodes.listen(job.address);
  const description = NodeDescription.create({ hostname: job.address });
  const stranger = new Channel(leader);
  const fields = { token, description, advertiseAddress: job.address, dataPathAddress: '127.0.0.1' };
  const { nodeId, credential } = await stranger.stubs(JoinService).joinSwarm(JoinRequest.create(fields));
  stranger.close();
  const channel = new Channel(leader, { nodeId, secret: credential });
  const request = BecomeManagerRequest.create({ address: job.address });
  const place = await channel.stubs(JoinService).becomeManager(request);
  channel.close();
  const { raftId, group, managerSecret: secret, peers } = place;
  const identity: ManagerIdentity = { raftId, group, secret, keys: [newStorageKey()], peers };
  const manager = managerOf(job, { nodeId, nodeSecret: credential, identity, onEmptyLog: 'wait' });
  await manager.start();
  return manager;
}

/** A manager of the swarm, as in `tsswarmd` but without a node beside it. */
async function serve(job: ManagerJob): Promise<void> {
  const manager = job.join ? await joinSwarm(job, job.join.leader, job.join.token) : await makeSwarm(job);
  const operators = new RpcServer(log);
  operators.add(ControlService, manager.control);
  await operators.listen(`unix://${job.socket}`);
  const tasks = new RunningTasks();
  tasks.follow(manager.store, new AbortController().signal).catch((error) => {
    throw error;
  });
  process.on('message', () => process.send?.(statusOf(manager, tasks)));
  // One that has joined may have nothing of the state yet.
  const [cluster] = manager.store.view().list('cluster');
  process.send?.({ tokens: cluster?.joinTokens } satisfies ManagerReady);
}

function statusOf({ leads, settled }: Manager, tasks: RunningTasks): ManagerStatus {
  const { user, system } = process.cpuUsage();
  return { leads, settled, running: tasks.count, down: tasks.down, rss: process.memoryUsage.rss(), cpu: user + system };
}

// Without the one that asks there is nothing to do.
process.on('disconnect', () => process.exit());
await serve(JSON.parse(process.argv[2] ?? '') as ManagerJob);
