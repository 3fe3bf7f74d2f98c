import { expect, it } from 'vitest';
import {
  ContainerConfig,
  ContainerEndpoint,
  ContainerFilter,
  ContainerHealth,
  ContainerInfo,
  ContainerPhase,
  ContainerSpec,
  HealthState,
  PortConfig,
} from '../../proto/gen/index.js';
import { asksForStopped, containerTest } from './filters.js';

const info = ContainerInfo.create({
  id: 'abc123',
  imageId: 'sha256:feed',
  phase: ContainerPhase.EXITED,
  exitCode: 3,
  health: ContainerHealth.create({ status: HealthState.UNHEALTHY }),
  config: ContainerConfig.create({
    name: 'web-1',
    container: ContainerSpec.create({ image: 'nginx:1.27', labels: { tier: 'front', empty: '' } }),
  }),
  endpoints: [ContainerEndpoint.create({ networkId: 'net42', networkName: 'front' })],
  ports: [PortConfig.create({ publishedPort: 8080, targetPort: 80 })],
});
const fits = (key: string, ...values: string[]) => containerTest([ContainerFilter.create({ key, values })])(info);

it.each([
  ['id', 'abc', 'xyz'],
  ['name', 'web', 'db'],
  ['label', 'tier=front', 'tier=back'],
  ['label', 'empty', 'missing'],
  ['status', 'exited', 'running'],
  ['network', 'front', 'back'],
  ['ancestor', 'nginx', 'redis'],
  ['ancestor', 'feed', 'beef'],
  ['exited', '3', '0'],
  ['health', 'unhealthy', 'healthy'],
  ['publish', '8080', '80'],
  ['expose', '80/tcp', '80/udp'],
])('filters - %s takes %s and not %s', (key, good, bad) => {
  expect(fits(key, good)).toBe(true);
  expect(fits(key, bad)).toBe(false);
});

it('filters - health is none where nobody checks, and what it can be is told', () => {
  const none = containerTest([ContainerFilter.create({ key: 'health', values: ['none'] })]);
  expect([none(info), none({ ...info, health: undefined })]).toEqual([false, true]);
  expect(() => fits('health', 'ill')).toThrow("invalid filter 'health=ill'");
});

it('filters - of one key any value fits, of labels all must, and of several keys each', () => {
  expect(fits('name', 'db', 'web')).toBe(true);
  expect(fits('label', 'tier=front', 'missing')).toBe(false);
  const filters = [
    ContainerFilter.create({ key: 'name', values: ['web'] }),
    ContainerFilter.create({ key: 'id', values: ['x'] }),
  ];
  expect(containerTest(filters)(info)).toBe(false);
});

it('filters - what is not known is named', () => {
  expect(() => fits('colour', 'red')).toThrow("invalid filter 'colour'");
  expect(() => fits('status', 'sleepy')).toThrow("invalid filter 'status=sleepy'");
  expect(asksForStopped([ContainerFilter.create({ key: 'status', values: [] })])).toBe(true);
});
