import path from 'node:path';
import { LAB, nodeOf } from '../demo/cli.js';
import { ControlService, Filter, ListTasksRequest, TaskState } from '../proto/gen/index.js';
import { Channel, type Stubs } from '../proto/rpc/client.js';
import { root, run, runAsync } from './run.js';
import { type BenchSwarm, cmdline, pids, residentBytes, TASK_COMMAND, taskRootfs } from './swarm.js';

export const CLI = path.join(root, 'bin/tsswarm');

/** Address of a lab's node on its underlay. */
export function labAddress(name: string): string {
  const lines = run(CLI, ['lab', 'ls', '--name', LAB.name, '--format', '{{.Name}} {{.Address}}']).split('\n');
  const address = lines.find((line) => line.startsWith(`${name} `))?.split(' ')[1];
  if (address === undefined) throw new Error(`the lab has no ${name}`);
  return address;
}

/** The lab: one manager and two workers, each a tsswarmd in a network namespace of its own. */
export class TsSwarm implements BenchSwarm {
  readonly name = 'tsswarm';
  #channel: Channel | undefined;

  async up(): Promise<void> {
    run(CLI, ['lab', 'up', '--nodes', '3']);
    const image = '/var/tmp/bench-tsswarm-image';
    run('sh', ['-c', `${taskRootfs(image)} && tar -C ${image} -cf ${image}.tar .`]);
    run(CLI, ['image', 'import', `${image}.tar`, 'bench:1']);
    run('rm', ['-rf', image, `${image}.tar`]);
    this.#channel = new Channel(nodeOf(1).host);
  }

  async createNetwork(name: string): Promise<void> {
    run(CLI, ['network', 'create', '-d', 'overlay', name]);
  }

  async createService(name: string, replicas: number, network: string): Promise<void> {
    await runAsync(CLI, [
      'service',
      'create',
      '--detach',
      '--name',
      name,
      '--replicas',
      String(replicas),
      '--network',
      network,
      '--stop-grace-period',
      '1s',
      'bench:1',
      ...TASK_COMMAND,
    ]);
  }

  async scale(name: string, replicas: number): Promise<void> {
    await runAsync(CLI, ['service', 'scale', '--detach', `${name}=${replicas}`]);
  }

  async running(name: string): Promise<number> {
    const filters = [
      Filter.create({ key: 'service', values: [name] }),
      Filter.create({ key: 'desired-state', values: ['running'] }),
    ];
    const { tasks } = await this.#control().listTasks(ListTasksRequest.create({ filters }));
    return tasks.filter((task) => task.status.state === TaskState.RUNNING).length;
  }

  async removeService(name: string): Promise<void> {
    await runAsync(CLI, ['service', 'rm', name]);
  }

  nodeMemory(node: number): number {
    const { runRoot, dataRoot, namespace } = nodeOf(node);
    const mine = new RegExp(`(${runRoot}|${dataRoot})/|${namespace}\\b`);
    return pids()
      .filter((pid) => mine.test(cmdline(pid)))
      .reduce((sum, pid) => sum + residentBytes(pid), 0);
  }

  async down(): Promise<void> {
    this.#channel?.close();
    run(CLI, ['lab', 'down']);
  }

  #control(): Stubs<typeof ControlService> {
    if (!this.#channel) throw new Error('the swarm is not up');
    return this.#channel.stubs(ControlService);
  }
}
