import { randomBytes } from 'node:crypto';
import { systemClock } from '../../lib/clock.js';
import { newId } from '../../lib/ids.js';
import { createLogger } from '../../lib/log.js';
import { isWanted } from '../../manager/common/tasks.js';
import { newGroup } from '../../manager/identity.js';
import { Manager } from '../../manager/manager.js';
import { ControlService, TaskState } from '../../proto/gen/index.js';
import { RpcServer } from '../../proto/rpc/server.js';
import type { ManagerJob, ManagerReady, ManagerStatus } from './messages.js';

/** Each node has an address in the ingress network. */
const ROOM = { defaultAddressPools: ['10.0.0.0/8'], subnetSize: 20 };

/** The only manager of a swarm, as in `tsswarmd` but without a node beside it. */
async function serve({ folder, address, socket }: ManagerJob): Promise<void> {
  const log = createLogger('error', 'manager');
  const [nodeId, nodeSecret] = [newId(), randomBytes(32)];
  const manager = new Manager({
    dataRoot: folder,
    log,
    clock: systemClock,
    nodeId,
    nodeSecret,
    identity: newGroup(),
    address,
    onEmptyLog: 'begin',
    onFatal(error) {
      throw error;
    },
  });
  const { workerToken } = await manager.bootstrap({ dataPathAddress: '127.0.0.1', ...ROOM });
  const nodes = new RpcServer(log);
  manager.registerRemote(nodes);
  await manager.start();
  await nodes.listen(address);
  const operators = new RpcServer(log);
  operators.add(ControlService, manager.control);
  await operators.listen(`unix://${socket}`);

  process.on('message', () => {
    let running = 0;
    for (const task of manager.store.view().list('task')) {
      if (isWanted(task) && task.status.state === TaskState.RUNNING) running++;
    }
    const { user, system } = process.cpuUsage();
    const status: ManagerStatus = {
      running,
      rss: process.memoryUsage.rss(),
      cpu: user + system,
    };
    process.send?.(status);
  });
  process.send?.({ workerToken } satisfies ManagerReady);
}

await serve(JSON.parse(process.argv[2] ?? '') as ManagerJob);
