/** What managers might tell a node of its network, for tests of what the node makes of it. */
import {
  EndpointMode,
  EndpointRecord,
  EndpointState,
  IPAMConfig,
  NetworkAttachment,
  NetworkRecord,
  PortConfig,
  ServiceRecord,
  Task,
  TaskState,
  TaskStatus,
  VirtualIP,
} from '../../proto/gen/index.js';
import { type Assignments, noAssignments } from '../agent/assignments.js';
import type { LocalTask } from '../agent/local-task.js';
import { desiredState, type NetworkNode } from './desired-state.js';

export const byId = <T extends { readonly id: string }>(...items: T[]): ReadonlyMap<string, T> =>
  new Map(items.map((item) => [item.id, item]));

export const network = (id: string, subnet: string, fields: Partial<NetworkRecord> = {}): NetworkRecord =>
  NetworkRecord.create({
    id,
    name: id,
    vni: 4096,
    ipam: [IPAMConfig.create({ subnet: `10.0.${subnet}.0/24`, gateway: `10.0.${subnet}.1` })],
    ...fields,
  });
export const ingressNetwork = network('ingress', '0', { ingress: true });
export const front = network('front', '1');

export const attachment = (networkId: string, address: string): NetworkAttachment =>
  NetworkAttachment.create({ networkId, addresses: [`${address}/24`], mac: `mac-${address}` });

export const node: NetworkNode = {
  id: 'here',
  dataPathAddress: '203.0.113.1',
  dataPathPort: 4789,
  ipv6: true,
  gatewayBridge: { address: '172.18.0.1/16', address6: 'fd00:7473::1/64' },
  attachments: [attachment('ingress', '10.0.0.2')],
};

export function local(id: string, attachments: NetworkAttachment[], fields: Partial<LocalTask> = {}): LocalTask {
  const task = Task.create({ id, networks: attachments });
  return { task, status: TaskStatus.create({ state: TaskState.RUNNING }), assigned: true, networks: [], ...fields };
}

export function endpoint(networkId: string, taskId: string, address: string, fields: Partial<EndpointRecord> = {}) {
  return EndpointRecord.create({
    id: `${networkId}/${taskId}`,
    networkId,
    taskId,
    nodeId: 'there',
    vtep: '203.0.113.2',
    addresses: [`${address}/24`],
    mac: `mac-${address}`,
    state: EndpointState.SERVING,
    ...fields,
  });
}

export const web = ServiceRecord.create({
  id: 'web',
  mode: EndpointMode.VIP,
  ports: [PortConfig.create({ publishedPort: 8080, targetPort: 80 })],
  virtualIps: [
    VirtualIP.create({ networkId: 'front', address: '10.0.1.2/24' }),
    VirtualIP.create({ networkId: 'ingress', address: '10.0.0.9/24' }),
  ],
});

export function state(assignments: Partial<Assignments>, tasks: LocalTask[] = [], on: NetworkNode = node) {
  return desiredState({ ...noAssignments, ...assignments }, tasks, on);
}
