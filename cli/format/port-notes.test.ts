import { expect, test } from 'vitest';
import { Endpoint, Node, NodeProblem, Service } from '../../proto/gen/objects.js';
import { PortConfig, Protocol, PublishMode, ServiceSpec } from '../../proto/gen/specs.js';
import { portNotes } from './port-notes.js';

const service = (...ports: Partial<PortConfig>[]) =>
  Service.create({
    spec: ServiceSpec.create({ name: 'web' }),
    endpoint: Endpoint.create({ ports: ports.map((port) => PortConfig.create({ targetPort: 80, ...port })) }),
  });
const problem = (message: string, publishedPort = 0, protocol: Protocol = Protocol.TCP) =>
  NodeProblem.create({ subject: 'ingress', message, publishedPort, protocol });

function node(hostname: string, problems: readonly NodeProblem[], unallocated: readonly NodeProblem[] = []): Node {
  const made = Node.create({ id: hostname, problems, unallocated });
  return { ...made, description: { ...made.description, hostname } };
}

test('port notes - of each node that does not answer on a port of the service', () => {
  const nodes = [
    node('node1', [problem('8080 is nginx’s', 8080), problem('of UDP', 8080, Protocol.UDP)]),
    node('node2', [problem('another one', 8081)]),
    node('node3', [problem('8080 is nginx’s too', 8080)]),
  ];
  expect(portNotes(service({ publishedPort: 8080 }), nodes)).toEqual([
    'web on node1: 8080 is nginx’s',
    'web on node3: 8080 is nginx’s too',
  ]);
  const range = service({ publishedPort: 8079, publishedLast: 8081, publishMode: PublishMode.HOST });
  expect(portNotes(range, nodes)).toHaveLength(3);
  expect(portNotes(service(), nodes)).toEqual([]);
});

test('port notes - what is wrong at one address is no matter of those who publish the port on another', () => {
  const at = (hostAddress: string) => ({ ...problem(`nginx has ${hostAddress}`, 8080), hostAddress });
  const nodes = [node('node1', [at('192.0.2.1'), at('192.0.2.2'), at('::'), at('')])];
  const notes = (hostIp: string) => portNotes(service({ publishedPort: 8080, hostIp }), nodes);
  expect(notes('192.0.2.1')).toEqual(['web on node1: nginx has 192.0.2.1', 'web on node1: nginx has ']);
  expect(notes('fd00::1')).toEqual(['web on node1: nginx has ::', 'web on node1: nginx has ']);
  expect(notes('')).toHaveLength(4);
});

test('port notes - a node without an address in the ingress network answers on none of all nodes’ ports', () => {
  const nodes = [node('node254', [], [problem('no free address')])];
  expect(portNotes(service({ publishedPort: 8080 }), nodes)).toEqual(['web on node254: no free address']);
  expect(portNotes(service({ publishedPort: 8080, publishMode: PublishMode.HOST }), nodes)).toEqual([]);
});

test('port notes - what stops the routing mesh of a node concerns all that publish there', () => {
  const overlay = NodeProblem.create({ subject: 'network back', message: 'no vxlan' });
  const nodes = [node('node1', [problem('the mesh cannot be made'), overlay])];
  expect(portNotes(service({ publishedPort: 8080 }), nodes)).toEqual(['web on node1: the mesh cannot be made']);
  expect(portNotes(service({ publishedPort: 8080, publishMode: PublishMode.HOST }), nodes)).toEqual([]);
});

test('port notes - what stops the gateway bridge concerns whoever publishes, in whatever mode', () => {
  const message = 'the chain FORWARD of table ip filter drops what is forwarded';
  const nodes = [node('node1', [NodeProblem.create({ subject: 'network swarm_gwbridge', message })])];
  for (const publishMode of [PublishMode.INGRESS, PublishMode.HOST])
    expect(portNotes(service({ publishedPort: 8080, publishMode }), nodes)).toEqual([`web on node1: ${message}`]);
  expect(portNotes(service(), nodes)).toEqual([]);
});
