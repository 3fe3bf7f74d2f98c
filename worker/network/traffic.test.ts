import { expect, test } from 'vitest';
import type { PortStatistics } from '../../netlb/balancer/statistics.js';
import { EndpointRecord, NetworkRecord, PortConfig, Protocol, ServiceRecord } from '../../proto/gen/index.js';
import { type Assignments, noAssignments } from '../agent/assignments.js';
import { ingressTraffic } from './traffic.js';

const byId = <T extends { id: string }>(...items: T[]) => new Map(items.map((item) => [item.id, item]));
const endpoint = (networkId: string, taskId: string, address: string, fields: Partial<EndpointRecord> = {}) =>
  EndpointRecord.create({ id: `${networkId}/${taskId}`, networkId, taskId, addresses: [`${address}/24`], ...fields });

const assignments: Assignments = {
  ...noAssignments,
  networks: byId(NetworkRecord.create({ id: 'mesh', ingress: true }), NetworkRecord.create({ id: 'back' })),
  services: byId(
    ServiceRecord.create({
      id: 's1',
      name: 'web',
      ports: [
        PortConfig.create({ publishedPort: 8080, targetPort: 80 }),
        PortConfig.create({ publishedPort: 8080, targetPort: 53, protocol: Protocol.UDP }),
      ],
    }),
  ),
  endpoints: byId(
    endpoint('mesh', 'task1', '10.0.0.11', { serviceName: 'web', slot: 1 }),
    endpoint('mesh', 'task2', 'fd00::2', { serviceName: 'web', slot: 0, nodeId: 'n2' }),
    endpoint('back', 'task9', '10.0.0.12', { serviceName: 'db', slot: 9 }),
  ),
};

const counters = { active: 1, connections: 2, packetsIn: 3, packetsOut: 4, bytesIn: 5, bytesOut: 6 };
const port = (protocol: 'tcp' | 'udp', published: number, ...addresses: string[]): PortStatistics => ({
  protocol,
  published,
  target: 80,
  hostAddress: '',
  backends: addresses.map((address) => ({ address, weight: 1, ...counters })),
});

test('traffic - counts under the names of services and tasks', () => {
  const [tcp, udp] = ingressTraffic([port('tcp', 8080, '10.0.0.11', 'fd00::2'), port('udp', 8080)], assignments);
  expect(tcp).toMatchObject({
    serviceId: 's1',
    serviceName: 'web',
    protocol: Protocol.TCP,
    published: 8080,
    target: 80,
  });
  expect(tcp?.backends).toEqual([
    { taskId: 'task1', taskName: 'web.1', address: '10.0.0.11', weight: 1, ...counters },
    { taskId: 'task2', taskName: 'web.n2', address: 'fd00::2', weight: 1, ...counters },
  ]);
  expect(udp).toMatchObject({ serviceName: 'web', protocol: Protocol.UDP, backends: [] });
});

test('traffic - an address of another network is nobody’s here', () => {
  expect(ingressTraffic([port('tcp', 8080, '10.0.0.12')], assignments)[0]?.backends).toMatchObject([
    { taskId: '', taskName: '', address: '10.0.0.12' },
  ]);
});

test('traffic - a port whose service has gone is left out', () => {
  expect(ingressTraffic([port('tcp', 8081, '10.0.0.11')], assignments)).toEqual([]);
});
