import { describe, expect, it } from 'vitest';
import {
  EndpointMode,
  EndpointRecord,
  EndpointState,
  IPAMConfig,
  NetworkAttachment,
  NetworkRecord,
  PortConfig,
  PortStatus,
  ServiceRecord,
  Task,
  TaskState,
  TaskStatus,
  VirtualIP,
} from '../../proto/gen/index.js';
import { noAssignments } from '../agent/assignments.js';
import type { LocalTask } from '../agent/local-task.js';
import { desiredState, type NetworkNode } from './desired-state.js';

const node: NetworkNode = {
  id: 'here',
  dataPathAddress: '203.0.113.1',
  dataPathPort: 4789,
  ipv6: true,
  gatewayBridge: { address: '172.18.0.1/16', address6: '' },
  attachments: [NetworkAttachment.create({ networkId: 'net', addresses: ['10.1.1.1/24'] })],
};
const net = NetworkRecord.create({
  id: 'net',
  name: 'net',
  driver: 'routed',
  vni: 4097,
  ipam: [IPAMConfig.create({ subnet: '10.1.0.0/16' })],
});
const overlay = NetworkRecord.create({
  id: 'ov',
  name: 'ov',
  driver: 'overlay',
  vni: 4098,
  ipam: [IPAMConfig.create({ subnet: '10.0.1.0/24', gateway: '10.0.1.1' })],
});
const at = (networkId: string, ...addresses: string[]) => NetworkAttachment.create({ networkId, addresses });
const task = (id: string, ...networks: NetworkAttachment[]): LocalTask => ({
  task: Task.create({ id, networks }),
  status: TaskStatus.create({ state: TaskState.RUNNING }),
  assigned: true,
  networks: [],
});
const lease = (nodeId: string, address: string, mac: string, vtep: string) =>
  EndpointRecord.create({ id: `net/${nodeId}`, networkId: 'net', nodeId, addresses: [address], mac, vtep });
const endpoints = [
  lease('here', '10.1.1.1/24', 'm1', '203.0.113.1'),
  lease('there', '10.1.2.1/24', 'm2', '203.0.113.2'),
  EndpointRecord.create({
    id: 'net/t',
    networkId: 'net',
    taskId: 't',
    nodeId: 'there',
    addresses: ['10.1.2.2/24'],
    vtep: '203.0.113.2',
    serviceId: 'web',
    serviceName: 'web',
    slot: 1,
    state: EndpointState.SERVING,
  }),
];
const web = ServiceRecord.create({
  id: 'web',
  name: 'web',
  mode: EndpointMode.VIP,
  virtualIps: [VirtualIP.create({ networkId: 'net', address: '10.1.0.1/24' })],
});
const byId = <T extends { readonly id: string }>(items: readonly T[]) => new Map(items.map((item) => [item.id, item]));
const state = (tasks: LocalTask[], network = net) =>
  desiredState(
    { ...noAssignments, networks: byId([network, overlay]), endpoints: byId(endpoints), services: byId([web]) },
    tasks,
    node,
  );

describe('a routed network', () => {
  it('has this node’s subnet, as its containers tell it, and the leases of the others', () => {
    const { routed, overlays } = state([task('a', at('net', '10.1.1.2/24')), task('b', at('net', '10.1.1.3/24'))]);
    expect(overlays).toEqual([]);
    expect(routed).toEqual([
      {
        id: 'net',
        backend: 'vxlan',
        vni: 4097,
        subnet: '10.1.0.0/16',
        gateways: ['10.1.1.1/24'],
        mtu: 0,
        internal: false,
        peers: [{ subnet: '10.1.2.0/24', address: '203.0.113.2', mac: 'm2' }],
      },
    ]);
  });

  it('is not on a node that has a lease and no container', () => {
    expect(state([task('a', at('ov', '10.0.1.5/24'))]).routed).toEqual([]);
  });

  it('has names and virtual addresses as others have', () => {
    const { sandboxes, zones } = state([task('a', at('net', '10.1.1.2/24'))]);
    expect(sandboxes[0]?.virtualServices).toEqual([
      { address: '10.1.0.1', backends: [{ address: '10.1.2.2', weight: 1 }] },
    ]);
    expect(zones[0]?.names).toContainEqual({ name: 'web', addresses: ['10.1.0.1'], canonical: true });
    expect(zones[0]?.names).toContainEqual({ name: 'tasks.web', addresses: ['10.1.2.2'], canonical: false });
  });

  it('leads out by itself: the gateway bridge is for those in overlays, or without another way for their ports', () => {
    const gateway = (of: LocalTask, network = net) => state([of], network).sandboxes[0]?.gateway;
    const internal = { ...net, internal: true };
    const published = PortStatus.create({ ports: [PortConfig.create({ publishedPort: 80, targetPort: 80 })] });
    const withPort = (of: LocalTask): LocalTask => ({ ...of, status: { ...of.status, portStatus: published } });
    const alone = task('a', at('net', '10.1.1.2/24'));
    expect(gateway(alone)).toBe(false);
    expect(gateway(withPort(alone))).toBe(false);
    expect(gateway(task('a', at('net', '10.1.1.2/24'), at('ov', '10.0.1.5/24')))).toBe(true);
    expect(gateway(alone, internal)).toBe(false);
    expect(gateway(withPort(alone), internal)).toBe(true);
  });
});
