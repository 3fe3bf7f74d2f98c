import { describe, expect, test } from 'vitest';
import {
  ContainerSpec,
  DNSConfig,
  EndpointSpec,
  HealthConfig,
  IPAMConfig,
  LogDriver,
  Mount,
  MountType,
  NetworkAttachmentConfig,
  NetworkSpec,
  Placement,
  PortConfig,
  PublishMode,
  ResourceLimits,
  ResourceRequirements,
  ResourceReservations,
  ServiceSpec,
  TaskSpec,
  UpdateConfig,
  VolumeOptions,
} from '../../../proto/gen/index.js';
import { MTU_OPTION, VNI_OPTION } from '../../common/overlay-options.js';
import { checkImage } from './image.js';
import { checkNetworkSpec } from './network.js';
import { checkServiceSpec } from './service.js';

function spec(fields: Partial<ServiceSpec>, task: Partial<TaskSpec> = {}): ServiceSpec {
  const container = ContainerSpec.create({ image: 'web' });
  return ServiceSpec.create({
    name: 'web',
    replicated: { replicas: 1 },
    task: TaskSpec.create({ container, ...task }),
    ...fields,
  });
}

const container = (fields: Partial<ContainerSpec>) =>
  spec({}, { container: ContainerSpec.create({ image: 'web', ...fields }) });
const ports = (...list: Partial<PortConfig>[]) =>
  spec({ endpoint: EndpointSpec.create({ ports: list.map((p) => PortConfig.create({ targetPort: 80, ...p })) }) });
const placement = (fields: Partial<Placement>) => spec({}, { placement: Placement.create(fields) });
const mount = (...mounts: Partial<Mount>[]) => container({ mounts: mounts.map((m) => Mount.create(m)) });
const resources = (limits: Partial<ResourceLimits>, reservations: Partial<ResourceReservations> = {}) =>
  spec(
    {},
    {
      resources: ResourceRequirements.create({
        limits: ResourceLimits.create(limits),
        reservations: ResourceReservations.create(reservations),
      }),
    },
  );
const MIB = 2 ** 20;

describe('service specs that are refused', () => {
  test.each<[ServiceSpec, string]>([
    [spec({ name: '' }), 'a service needs a name'],
    [spec({ name: 'a b' }), '"a b" is not a name for a service'],
    [spec({ name: 'x'.repeat(64) }), 'is not a name for a service'],
    [spec({ replicated: undefined }), 'a service needs a mode'],
    [spec({ global: {} }), 'a service has one mode, but replicated and global are given'],
    [spec({ labels: { 'a b': '' } }), '"a b" is not a label\'s key'],
    [container({ image: '' }), 'a service needs an image'],
    [container({ env: ['=x'] }), '"=x" is not an environment variable'],
    [container({ dir: 'srv' }), '"srv" is not a working directory'],
    [container({ hostname: 'a_b' }), '"a_b" is not a host name'],
    [container({ stopSignal: 'SIGNONE' }), '"SIGNONE" is not a signal'],
    [
      container({ dns: DNSConfig.create({ nameservers: ['fe80::1%eth0'] }) }),
      '"fe80::1%eth0" is not the address of a name server',
    ],
    [container({ hosts: ['web 10.0.0.1'] }), '"web 10.0.0.1" is not a line for the hosts file'],
    [container({ healthcheck: HealthConfig.create({ test: ['RUN', 'x'] }) }), 'health check "RUN" is not known'],
    [container({ healthcheck: HealthConfig.create({ test: ['CMD'] }) }), 'a health check needs a command'],
    [container({ healthcheck: HealthConfig.create({ interval: 1000 }) }), 'health interval of 1000 ns is too short'],
    [ports({ targetPort: 0 }), 'target port 0 is out of range'],
    [ports({ publishedPort: 65536 }), 'published port 65536 is out of range'],
    [ports({ publishedPort: 80 }, { publishedPort: 80 }), 'port 80/tcp is published twice by this service'],
    [ports({ publishedPort: 80, hostIp: '10.0.0.1' }, { publishedPort: 80 }), 'port 80/tcp is published twice'],
    [
      ports({ publishedPort: 80, hostIp: '10.0.0.1' }, { publishedPort: 80, hostIp: '10.0.0.1' }),
      'port 10.0.0.1:80/tcp is published twice',
    ],
    [
      ports({ publishedPort: 80, hostIp: '10.0.0.1' }, { publishedPort: 80, hostIp: '10.0.0.2', targetPort: 81 }),
      'port 10.0.0.2:80/tcp leads to port 81 of the tasks, and 10.0.0.1:80/tcp to their port 80',
    ],
    [ports({ publishedPort: 80, publishedLast: 79, publishMode: 1 }), '80-79 is not a range of ports'],
    [ports({ publishedPort: 80, publishedLast: 89 }), 'port 80 cannot be published on one of 80-89 on all nodes'],
    [
      ports({ publishedPort: 80, publishedLast: 89, publishMode: 1 }, { publishedPort: 85 }),
      'port 85/tcp is published twice',
    ],
    [ports({ publishedPort: 80, hostIp: 'lo' }), '"lo" is not an address to publish port 80 on'],
    [ports({ publishedPort: 80, scheduler: 'lblc' }), '"lblc" is not a way to spread connections'],
    [ports({ publishedPort: 80, affinityTimeout: 1.5e9 }), 'affinity 1.5s of port 80 is out of range'],
    [ports({ publishedPort: 80, affinityTimeout: 8 * 86_400e9 }), 'affinity 691200s of port 80 is out of range'],
    [ports({ publishMode: PublishMode.HOST, scheduler: 'lc' }), 'port 80 with mode=host leads to one task'],
    [
      spec({ endpoint: EndpointSpec.create({ mode: 1, ports: [PortConfig.create({ targetPort: 80 })] }) }),
      'port 80 cannot be published on all nodes with dnsrr',
    ],
    [placement({ constraints: ['node.role=manager'] }), '"node.role=manager" is not a placement constraint'],
    [placement({ constraints: ['node.rule==x'] }), 'there is no node property "node.rule"'],
    [placement({ preferences: [{ spread: 'zone' }] }), 'tasks cannot be spread over "zone"'],
    [resources({ memoryBytes: MIB }), 'memory limit of 1048576 bytes is too small'],
    [resources({ memoryBytes: 8 * MIB }, { memoryBytes: 9 * MIB }), 'is larger than the limit of 8388608'],
    [resources({ nanoCpus: 1e9 }, { nanoCpus: 2e9 }), 'CPU reservation of 2 is larger than the limit of 1'],
    [mount({ target: 'data' }), '"data" cannot be the target of a mount'],
    [mount({ target: '/', source: '/srv' }), '"/" cannot be the target of a mount'],
    [mount({ target: '/a', source: 'srv' }), '"srv" cannot be the source of a bind mount'],
    [mount({ target: '/a', source: '/x' }, { target: '/a/', source: '/y' }), 'two mounts have the target /a'],
    [mount({ type: MountType.TMPFS, target: '/a', source: 'x' }), 'a tmpfs mount has no source'],
    [mount({ type: MountType.VOLUME, target: '/a', source: 'a/b' }), '"a/b" is not a name for a volume'],
    [
      mount({ type: MountType.VOLUME, target: '/a', volume: VolumeOptions.create({ driver: 'nas' }) }),
      'there is no volume driver "nas"',
    ],
    [container({ devices: [{ hostPath: 'fuse', containerPath: '', permissions: '' }] }), '"fuse::" is not a device'],
    [spec({}, { logDriver: LogDriver.create({ name: 'syslog' }) }), 'there is no log driver "syslog"'],
    [spec({ update: UpdateConfig.create({ maxFailureRatio: 2 }) }), 'update failure ratio 2 is out of range'],
    [spec({ rollback: UpdateConfig.create({ failureAction: 2 }) }), 'a rollback that fails cannot be rolled back'],
    [
      spec({ replicated: undefined, globalJob: {}, update: UpdateConfig.create() }),
      'a global-job cannot have an update configuration',
    ],
    [
      spec({ replicated: undefined, replicatedJob: { maxConcurrent: 3, totalCompletions: 2 } }),
      '3 tasks at once are more than the 2 that are to complete',
    ],
    [
      spec({}, { networks: [NetworkAttachmentConfig.create({ target: 'n', aliases: ['a..b'] })] }),
      '"a..b" is not a name that can be resolved',
    ],
    [
      spec({ replicated: undefined, global: {} }, { placement: Placement.create({ maxReplicas: 1 }) }),
      'replicas per node cannot be limited for a global service',
    ],
  ])('%#: %j', (refused, message) => {
    expect(() => checkServiceSpec(refused)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => checkServiceSpec(refused)).toThrow(message);
  });
});

test('service specs that are accepted', () => {
  for (const accepted of [
    spec({ name: 'a.b-c_1' }),
    ports({ publishedPort: 80 }, { publishedPort: 80, protocol: 1 }, { publishedPort: 0 }),
    ports(
      { publishedPort: 80, hostIp: '10.0.0.1', publishMode: PublishMode.HOST },
      { publishedPort: 80, hostIp: '10.0.0.2', publishMode: PublishMode.HOST },
    ),
    ports({ publishedPort: 80, scheduler: 'wlc', affinityTimeout: 600e9 }),
    ports({ publishedPort: 80, publishMode: PublishMode.HOST }),
    container({ env: ['A=', 'B=c=d', 'C'], stopSignal: 'SIGRTMIN+3', hostname: '{{.Node.Hostname}}-{{.Task.Slot}}' }),
    container({ stopSignal: 'term', hosts: ['10.0.0.1 a b'] }),
    spec({}, { networks: [NetworkAttachmentConfig.create({ target: 'n', aliases: ['db', 'my_db.internal'] })] }),
    placement({
      constraints: ['node.labels.zone != a', 'node.ip==10.0.0.0/8'],
      preferences: [{ spread: 'node.labels.z' }],
    }),
    resources({ memoryBytes: 4 * MIB, nanoCpus: 1e9 }, { memoryBytes: 4 * MIB, nanoCpus: 5e8 }),
    mount({ target: '/a', source: '/b' }, { type: MountType.VOLUME, target: '/c', source: 'data' }),
    mount({ type: MountType.VOLUME, target: '/c', source: 'data-{{.Task.Slot}}' }),
    mount({ type: MountType.VOLUME, target: '/c' }),
  ]) {
    checkServiceSpec(accepted);
  }
});

describe('image references', () => {
  test.each(['nginx', 'nginx:1.27', 'localhost:5000/a/b', '[::1]:5000/a', 'a/b__c.d-e', `a@sha256:${'0'.repeat(64)}`])(
    '%s is one',
    (image) => checkImage(image),
  );
  test.each(['Nginx', 'a:', 'a//b', '-a', 'a@sha256:12', 'http://a/b', 'a b', 'a:tag:tag'])('%s is none', (image) => {
    expect(() => checkImage(image)).toThrow(`"${image}" is not an image reference`);
  });
});

describe('network specs that are refused', () => {
  const network = (fields: Partial<NetworkSpec>, ...ipam: Partial<IPAMConfig>[]) =>
    NetworkSpec.create({ name: 'n', ipam: ipam.map((config) => IPAMConfig.create(config)), ...fields });
  test.each<[NetworkSpec, string]>([
    [network({ name: 'host' }), 'the network name "host" is reserved'],
    [network({ driver: 'macvlan' }), 'network driver "macvlan" is not known'],
    [network({ driver: 'bridge' }), 'network driver "bridge" makes networks of one node'],
    [network({ driver: 'null' }), 'network driver "null" makes networks of one node'],
    [network({ driverOptions: { encrypted: 'yes' } }), '"yes" does not say whether the network is encrypted'],
    [network({ driverOptions: { mtu: '1400' } }), '"mtu" is not an option of overlay networks'],
    [network({ driverOptions: { [MTU_OPTION]: 'big' } }), '"big" is not an MTU'],
    [network({ driverOptions: { [MTU_OPTION]: '67' } }), '"67" is not an MTU'],
    [network({ driverOptions: { [MTU_OPTION]: '65536' } }), '"65536" is not an MTU'],
    [network({ driverOptions: { [MTU_OPTION]: '1279' }, ipv6: true }), '"1279" is not an MTU for IPv6'],
    [network({ driverOptions: { [VNI_OPTION]: '5000,5001' } }), '"5000,5001" names 2 VXLAN network identifiers'],
    [network({ driverOptions: { [VNI_OPTION]: '16777216' } }), '"16777216" is not a VXLAN network identifier'],
    [network({ disableIpv4: true }), 'it has neither IPv4 nor IPv6'],
    [network({}, { subnet: 'fd00:9::/64' }), 'subnet fd00:9::/64 is of IPv6, which the network does not have'],
    [network({ ipv6: true, disableIpv4: true }, { subnet: '10.9.0.0/24' }), 'subnet 10.9.0.0/24 is of IPv4'],
    [network({ ipv6: true }, { subnet: 'fd00:9::1/64' }), '"fd00:9::1/64" has bits set outside of its prefix'],
    [network({ scope: 'local' }), 'network scope "local" is not known'],
    [network({ ingress: true, attachable: true }), 'the ingress network cannot be attachable'],
    [
      network({ ingress: true }, { subnet: '10.9.0.0/24' }, { subnet: '10.9.1.0/24' }),
      'an ingress network has one subnet of IPv4, not 10.9.0.0/24 and 10.9.1.0/24',
    ],
    [network({ ingress: true, ipv6: true, disableIpv4: true }), 'the ingress network cannot be of IPv6 alone'],
    [network({}, { subnet: '10.9.0.0' }), '"10.9.0.0" is not a subnet'],
    [network({}, { subnet: '10.9.0.1/24' }), '"10.9.0.1/24" has bits set outside of its prefix'],
    [network({}, { subnet: '10.9.0.0/30' }), 'subnet 10.9.0.0/30 is too small'],
    [network({}, { gateway: '10.9.0.1' }), '"10.9.0.1" is given without the subnet it is in'],
    [network({}, { subnet: '10.9.0.0/24', gateway: '10.8.0.1' }), 'gateway 10.8.0.1 is outside of subnet 10.9.0.0/24'],
    [network({}, { subnet: '10.9.0.0/24', gateway: '10.9.0.255' }), 'is the last address of subnet 10.9.0.0/24'],
    [network({}, { subnet: '10.9.0.0/24', ipRange: '10.9.1.0/25' }), 'IP range 10.9.1.0/25 is not in subnet'],
    [network({}, { subnet: '10.9.0.0/24' }, { subnet: '10.9.0.0/16' }), 'of the network overlap'],
  ])('%#: %j', (refused, message) => {
    expect(() => checkNetworkSpec(refused)).toThrow(message);
  });
});

test('network specs that are accepted', () => {
  const accepted: readonly Partial<NetworkSpec>[] = [
    { internal: true, driverOptions: { [MTU_OPTION]: '1400', [VNI_OPTION]: '5000', encrypted: 'false' } },
    { driverOptions: { encrypted: '' } },
    { driverOptions: { encrypted: 'true' } },
    { ipv6: true },
    { ipv6: true, disableIpv4: true },
    { ipv6: true, ipam: [IPAMConfig.create({ subnet: 'fd00:9::/64', gateway: 'fd00:9::ff' })] },
    { ipam: ['10.9.0.0/24', '10.9.1.0/24'].map((subnet) => IPAMConfig.create({ subnet })) },
  ];
  for (const fields of accepted) checkNetworkSpec(NetworkSpec.create({ name: 'n', ...fields }));
});
