import { describe, expect, it } from 'vitest';
import {
  EndpointMode,
  EndpointRecord,
  EndpointState,
  NetworkRecord,
  PortConfig,
  ServiceAlias,
  ServiceRecord,
  VirtualIP,
} from '../../proto/gen/index.js';
import { zonesOf } from './names.js';

const front = NetworkRecord.create({ id: 'front-id', name: 'front' });
const web = ServiceRecord.create({
  id: 'web-id',
  name: 'web',
  mode: EndpointMode.VIP,
  virtualIps: [
    VirtualIP.create({ networkId: 'front-id', address: '10.0.1.2/24' }),
    VirtualIP.create({ networkId: 'front-id', address: 'fd00:1::2/64' }),
    VirtualIP.create({ networkId: 'ingress-id', address: '10.0.0.9/24' }),
  ],
  aliases: [
    ServiceAlias.create({ networkId: 'front-id', names: ['www'] }),
    ServiceAlias.create({ networkId: 'back-id', names: ['hidden'] }),
  ],
  ports: [PortConfig.create({ name: 'http', targetPort: 80 }), PortConfig.create({ targetPort: 443 })],
});
const spread: ServiceRecord = {
  ...web,
  id: 'db-id',
  name: 'db',
  mode: EndpointMode.DNSRR,
  virtualIps: [],
  aliases: [ServiceAlias.create({ networkId: 'front-id', names: ['data'] })],
};

const task = (id: string, slot: number, address: string, fields: Partial<EndpointRecord> = {}) =>
  EndpointRecord.create({
    id: `front-id/${id}`,
    networkId: 'front-id',
    taskId: id,
    nodeId: 'node-id',
    addresses: [`${address}/24`],
    state: EndpointState.SERVING,
    serviceId: 'web-id',
    serviceName: 'web',
    slot,
    ...fields,
  });
const ofDb: Partial<EndpointRecord> = { serviceId: 'db-id', serviceName: 'db' };

function names(endpoints: EndpointRecord[], services: ServiceRecord[] = [web]): Record<string, readonly string[]> {
  const [zone] = zonesOf([front], endpoints, services);
  return Object.fromEntries((zone?.names ?? []).map(({ name, addresses }) => [name, addresses]));
}

describe('zonesOf', () => {
  it('a service has its virtual addresses, also without tasks, and its tasks have theirs', () => {
    expect(names([])).toEqual({ web: ['10.0.1.2', 'fd00:1::2'], www: ['10.0.1.2', 'fd00:1::2'] });
    expect(names([task('a'.repeat(25), 1, '10.0.1.5'), task('b'.repeat(25), 2, '10.0.1.6')])).toEqual({
      web: ['10.0.1.2', 'fd00:1::2'],
      www: ['10.0.1.2', 'fd00:1::2'],
      'tasks.web': ['10.0.1.5', '10.0.1.6'],
      [`web.1.${'a'.repeat(25)}`]: ['10.0.1.5'],
      [`web.2.${'b'.repeat(25)}`]: ['10.0.1.6'],
      [`${'a'.repeat(12)}`]: ['10.0.1.5'],
      [`${'b'.repeat(12)}`]: ['10.0.1.6'],
    });
  });

  it('in mode dnsrr a service and its aliases stand for the tasks', () => {
    const found = names([task('a', 1, '10.0.1.5', ofDb), task('b', 2, '10.0.1.6', ofDb)], [spread]);
    expect(found).toMatchObject({ db: ['10.0.1.5', '10.0.1.6'], data: ['10.0.1.5', '10.0.1.6'] });
    expect(names([], [spread])).toEqual({});
  });

  it('what does not serve yet has its own names alone, what drains has none', () => {
    const waiting = task('a', 1, '10.0.1.5', { ...ofDb, state: EndpointState.PRESENT, hostname: 'db-one' });
    const draining = task('b', 2, '10.0.1.6', { ...ofDb, state: EndpointState.DRAINING, hostname: 'db-two' });
    expect(names([waiting, draining], [spread])).toEqual({
      'db.1.a': ['10.0.1.5'],
      a: ['10.0.1.5'],
      'db-one': ['10.0.1.5'],
    });
  });

  it('a global service’s task is named by its node; a hostname with placeholders is not known here', () => {
    const found = names([task('a', 0, '10.0.1.5', { hostname: 'x-{{.Node.Hostname}}' })]);
    expect(Object.keys(found)).toEqual(['web', 'www', 'web.node-id.a', 'a', 'tasks.web']);
  });

  it('a container has its name, its short id and its aliases, in lower case', () => {
    const container = {
      serviceId: '',
      serviceName: '',
      aliases: ['Box', '0123456789ab', 'web2'],
      hostname: '0123456789ab',
    };
    expect(names([task('a', 0, '10.0.1.5', container)], [])).toEqual({
      box: ['10.0.1.5'],
      '0123456789ab': ['10.0.1.5'],
      web2: ['10.0.1.5'],
    });
  });

  it('an address has one canonical name', () => {
    const container = task('c', 0, '10.0.1.7', { serviceId: '', serviceName: '', aliases: ['box', 'ab'] });
    const [zone] = zonesOf([front], [task('a', 1, '10.0.1.5'), container], [web]);
    const canonical = zone?.names.filter((name) => name.canonical).map(({ name }) => name);
    expect(canonical).toEqual(['web', 'web.1.a', 'box']);
  });

  it('ports that have names are found where the service is', () => {
    const [zone] = zonesOf([front], [], [web, spread]);
    expect(zone?.ports).toEqual([{ port: 'http', protocol: 'tcp', service: 'web', target: 80 }]);
  });

  it('a network whose records are the same has the same zone; one record that differs makes it anew', () => {
    const endpoints = [task('a', 1, '10.0.1.5'), task('b', 2, '10.0.1.6')];
    const before = zonesOf([front], endpoints, [web]);
    expect(zonesOf([front], [...endpoints], [web])[0]).toBe(before[0]);
    const drained = [endpoints[0] as EndpointRecord, task('b', 2, '10.0.1.6', { state: EndpointState.DRAINING })];
    expect(zonesOf([front], drained, [web])[0]?.names).toHaveLength((before[0]?.names.length ?? 0) - 2);
    expect(zonesOf([front], drained, [{ ...web, name: 'www2' }])[0]?.names.map(({ name }) => name)).toContain('www2');
  });

  it('other networks, nodes’ own endpoints and the ingress network have no part in it', () => {
    const elsewhere = task('a', 1, '10.0.9.5', { networkId: 'back-id' });
    const node = EndpointRecord.create({ networkId: 'front-id', nodeId: 'n', addresses: ['10.0.1.9/24'] });
    expect(Object.keys(names([elsewhere, node]))).toEqual(['web', 'www']);
    expect(zonesOf([NetworkRecord.create({ id: 'ingress-id', ingress: true })], [], [web])).toEqual([]);
  });
});
