import { netnsFile, nodeOf } from '../../demo/cli.js';
import { addressOf } from '../../lib/ip.js';
import { ControlService, Filter, ListTasksRequest, TaskState } from '../../proto/gen/index.js';
import { Channel } from '../../proto/rpc/client.js';
import type { DockerSwarm } from '../docker-swarm.js';
import type { PathEnds } from './path-ends.js';

/** The tasks of a service of the lab on its first two nodes, at their addresses in a network. */
export async function taskEnds(service: string, network: string): Promise<PathEnds> {
  const channel = new Channel(nodeOf(1).host);
  try {
    const control = channel.stubs(ControlService);
    const filters = [Filter.create({ key: 'service', values: [service] })];
    const { tasks } = await control.listTasks(ListTasksRequest.create({ filters }));
    const running = tasks.filter((task) => task.status.state === TaskState.RUNNING);
    const nodes = new Map(
      (await control.listNodes({ filters: [] })).nodes.map((node) => [node.id, node.description.hostname]),
    );
    const on = (hostname: string) => {
      const task = running.find((t) => nodes.get(t.nodeId) === hostname);
      if (!task) throw new Error(`no running task on ${hostname}`);
      return task;
    };
    const [server, client] = [on('node1'), on('node2')];
    const address = server.networks.find(({ networkName }) => networkName === network)?.addresses[0];
    if (address === undefined) throw new Error('the task has no address');
    return {
      server: netnsFile('node1', server.id),
      client: netnsFile('node2', client.id),
      address: addressOf(address),
    };
  } finally {
    channel.close();
  }
}

/** The same of a Docker Swarm with two nodes. */
export function dockerEnds(swarm: DockerSwarm, service: string, network: string): PathEnds {
  const containerOn = (node: number) => {
    const filter = `label=com.docker.swarm.service.name=${service}`;
    const id = swarm.docker(node, 'ps', '--quiet', '--filter', filter).trim();
    if (id === '') throw new Error(`no container of ${service} on node ${node}`);
    const format = `{{.State.Pid}} {{(index .NetworkSettings.Networks "${network}").IPAddress}}`;
    const [pid = '', address = ''] = swarm.docker(node, 'inspect', '--format', format, id).trim().split(' ');
    return { namespace: `/proc/${pid}/ns/net`, address };
  };
  const [server, client] = [containerOn(1), containerOn(2)];
  return { server: server.namespace, client: client.namespace, address: server.address };
}
