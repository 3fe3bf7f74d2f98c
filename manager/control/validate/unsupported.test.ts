import { describe, expect, test } from 'vitest';
import {
  ContainerSpec,
  EndpointSpec,
  HealthConfig,
  Mount,
  MountType,
  NetworkAttachmentConfig,
  NetworkSpec,
  PortConfig,
  Privileges,
  ResourceRequirements,
  ServiceSpec,
  TaskSpec,
} from '../../../proto/gen/index.js';
import { checkNetworkIsSupported, checkServiceIsSupported, ignoredParts } from './unsupported.js';

const spec = (fields: Partial<ServiceSpec>, task: Partial<TaskSpec> = {}) =>
  ServiceSpec.create({ name: 'web', replicated: { replicas: 1 }, task: TaskSpec.create(task), ...fields });
const container = (fields: Partial<ContainerSpec>) => spec({}, { container: ContainerSpec.create(fields) });
const mount = (fields: Partial<Mount>) => container({ mounts: [Mount.create({ target: '/data', ...fields })] });
const health = (fields: Partial<HealthConfig>) => container({ healthcheck: HealthConfig.create(fields) });
const port = (fields: Partial<PortConfig>) =>
  spec({ endpoint: EndpointSpec.create({ ports: [PortConfig.create({ targetPort: 80, ...fields })] }) });
const attached = (fields: Partial<NetworkAttachmentConfig>) =>
  spec({}, { networks: [NetworkAttachmentConfig.create({ target: 'back', ...fields })] });
const network = (fields: Partial<NetworkSpec>) => NetworkSpec.create({ name: 'back', ...fields });

describe('services', () => {
  test.each<[ServiceSpec, string]>([
    [container({ isolation: 'hyperv' }), 'isolation "hyperv" is not supported by this version'],
    [container({ privileges: Privileges.create({ seccomp: '{}' }) }), 'seccomp profiles'],
    [container({ privileges: Privileges.create({ apparmor: 'unconfined' }) }), 'AppArmor profiles'],
    [attached({ driverOptions: { a: 'b' } }), 'options of an attachment to a network are not supported'],
  ])('%#: %j is refused', (refused, message) => {
    expect(() => checkServiceIsSupported(refused)).toThrow(expect.objectContaining({ code: 'UNIMPLEMENTED' }));
    expect(() => checkServiceIsSupported(refused)).toThrow(message);
  });

  test.each<[ServiceSpec]>([
    [mount({ type: MountType.TMPFS })],
    [mount({ type: MountType.BIND, source: '/srv' })],
    [health({ test: ['CMD-SHELL', 'true'], retries: 3 })],
    [health({ test: ['NONE'] })],
    [container({ isolation: 'default', privileges: Privileges.create({ noNewPrivileges: true }) })],
    [port({ hostIp: '203.0.113.1', scheduler: 'lc', affinityTimeout: 60e9 })],
    [attached({ aliases: ['www'] })],
    [spec({ dependsOn: [{ service: 'db', condition: 'healthy' }] })],
    [spec({ endpoint: EndpointSpec.create({ mode: 1 }) })],
  ])('%#: %j is done in full', (accepted) => {
    checkServiceIsSupported(accepted);
    expect(ignoredParts(accepted)).toEqual([]);
  });

  test.each<[ServiceSpec, string]>([
    [
      spec({}, { resources: ResourceRequirements.create({ memorySwappiness: 0 }) }),
      'memory swappiness is set only on nodes',
    ],
  ])('%#: %j runs, with a warning', (accepted, warning) => {
    checkServiceIsSupported(accepted);
    expect(ignoredParts(accepted)).toEqual([expect.stringContaining(warning)]);
  });
});

describe('networks', () => {
  test.each<[NetworkSpec, string]>([
    [network({ configFrom: 'base' }), 'networks made from a configuration'],
    [network({ ipamOptions: { a: 'b' } }), 'options of address management'],
  ])('%#: %j is refused', (refused, message) => {
    expect(() => checkNetworkIsSupported(refused)).toThrow(expect.objectContaining({ code: 'UNIMPLEMENTED' }));
    expect(() => checkNetworkIsSupported(refused)).toThrow(message);
  });
});
