import { afterEach, beforeEach, expect, it } from 'vitest';
import { notFound } from '../../lib/errors.js';
import { TestSwarm } from './swarm.js';

const DIGESTS = [`sha256:${'1'.repeat(64)}`, `sha256:${'2'.repeat(64)}`];

let swarm: TestSwarm;
beforeEach(async () => {
  swarm = new TestSwarm();
  await swarm.start();
});
afterEach(() => swarm.stop());

async function imageOf(service: string): Promise<string> {
  const { out } = await swarm.cli('service', 'inspect', '-f', '{{.Spec.TaskTemplate.ContainerSpec.Image}}', service);
  return out.trim();
}

it('create and update --image - with the digest of the registry, which lists leave out', async () => {
  const asked: string[] = [];
  swarm.resolveImage = (name) => {
    asked.push(name);
    return `${name}@${DIGESTS[asked.length - 1]}`;
  };
  await swarm.cli('service', 'create', '-d', '--name', 'app', 'registry.example/app');
  expect(await imageOf('app')).toBe(`registry.example/app:latest@${DIGESTS[0]}`);
  expect((await swarm.cli('service', 'ls', '--format', '{{.Image}}')).out).toBe('registry.example/app:latest\n');
  await swarm.cli('service', 'update', '-d', '--image', 'registry.example/app', 'app');
  expect(await imageOf('app')).toBe(`registry.example/app:latest@${DIGESTS[1]}`);
  await swarm.cli('service', 'update', '-d', '--env-add', 'A=1', 'app');
  expect(await imageOf('app')).toBe(`registry.example/app:latest@${DIGESTS[1]}`);
  expect(asked).toEqual(['registry.example/app:latest', 'registry.example/app:latest']);
});

it('--no-resolve-image - no registry is asked', async () => {
  swarm.resolveImage = () => {
    throw new Error('it was asked');
  };
  expect((await swarm.cli('service', 'create', '-d', '--no-resolve-image', '--name', 'app', 'app:1')).code).toBe(0);
  expect((await swarm.cli('service', 'update', '-d', '--no-resolve-image', '--image', 'app:2', 'app')).code).toBe(0);
  expect(await imageOf('app')).toBe('app:2');
});

it('a registry that does not tell - the service is made all the same, and a warning says why', async () => {
  swarm.resolveImage = (name) => {
    throw notFound(`manifest for ${name} not found`);
  };
  const { code, err } = await swarm.cli('service', 'create', '-d', '--name', 'app', 'app:1');
  expect(code).toBe(0);
  expect(err).toBe(
    'WARNING: the digest of image app:1 is not known (manifest for app:1 not found): each node takes what it finds under that name.\n',
  );
  expect(await imageOf('app')).toBe('app:1');
});
