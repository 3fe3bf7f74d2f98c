import { afterAll, expect, test } from 'vitest';
import { BINARY, execute, LAB, type Outcome, tsswarm, tsswarmOutcome, tsswarmRows } from '../../demo/cli.js';
import { IMAGE_CHANGES, makeRootfsArchive } from '../../demo/image.js';
import { describeInventory, labNames, takeInventory } from '../../lab/inventory.js';
import { labLayout, namespaceFile } from '../../lab/layout.js';
import { takeDown } from '../../lab/teardown.js';
import { addressOf, IMAGE, useLab } from './lab.js';

const OTHER = labLayout(`${LAB.name}-other`);
const SERVICE = ['service', 'create', '--quiet', '--name', 'web', '--publish', '8080:80', '--hostname'];

useLab(1);
afterAll(() => takeDown(OTHER));

/** `tsswarm …` as in a shell that works with the other lab. */
const there = (...args: readonly string[]): Promise<Outcome> =>
  tsswarmOutcome(args, { TSSWARM_HOST: '', TSSWARM_LAB: OTHER.name });

/** What a lab's client gets from node1's published port. */
const askedIn = async (lab: typeof LAB): Promise<string | undefined> => {
  const curl = ['curl', '--silent', '--show-error', '--max-time', '5', `http://${addressOf(1)}:8080/`];
  const { stdout } = await execute('nsenter', [`--net=${namespaceFile(lab, 'client')}`, '--', ...curl]);
  return /^Hostname: (.*)$/m.exec(stdout)?.[1];
};

interface Row {
  readonly Lab: string;
  readonly Name: string;
  readonly Address: string;
  readonly Status: string;
}
const rows = async (...args: readonly string[]) =>
  (await tsswarmRows<Row>('lab', 'ls', ...args)).map(({ Lab, Name, Address, Status }) => [Lab, Name, Address, Status]);

test('lab up --name - a lab beside another: the same addresses, a swarm, images and traffic of its own', async () => {
  expect(await there('node', 'ls')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`no daemon of the lab "${OTHER.name}" answers`),
  });
  const up = await tsswarm('lab', 'up', '--name', OTHER.name, '--nodes', '2');
  expect(up).toContain(`The lab "${OTHER.name}" is up: node1 203.0.113.1, node2 203.0.113.2`);
  expect(up).toContain(`export TSSWARM_LAB=${OTHER.name}`);
  const ofOther = [
    [OTHER.name, 'node1', '203.0.113.1', 'Ready'],
    [OTHER.name, 'node2', '203.0.113.2', 'Ready'],
  ];
  expect(await rows('--name', OTHER.name)).toEqual(ofOther);
  expect(await rows()).toEqual([[LAB.name, 'node1', '203.0.113.1', 'Ready']]);
  expect(await labNames()).toEqual(expect.arrayContaining([LAB.name, OTHER.name]));
  expect((await there('node', 'ls', '--quiet')).stdout.trim().split('\n')).toHaveLength(2);
  expect((await there('image', 'ls', '--quiet')).stdout).toBe('');

  const { archive, remove } = await makeRootfsArchive();
  await there('image', 'import', ...IMAGE_CHANGES.flatMap((change) => ['--change', change]), archive, IMAGE);
  await remove();
  await Promise.all([tsswarm(...SERVICE, 'here', IMAGE), there(...SERVICE, 'there', IMAGE)]);
  expect([await askedIn(LAB), await askedIn(OTHER)]).toEqual(['here', 'there']);
});

test('every command about a lab - is about the one that is named', async () => {
  const inside = await there('lab', 'exec', 'node2', '--', 'sh', '-c', 'echo $TSSWARM_LAB $TSSWARM_HOST');
  expect(inside.stdout).toBe(`${OTHER.name} unix:///run/tsswarm/labs/${OTHER.name}/node2/tsswarm.sock\n`);
  await tsswarm('lab', 'partition', '--name', OTHER.name, 'node2');
  await there('lab', 'kill', 'node1');
  expect(await rows('--name', OTHER.name)).toEqual([
    [OTHER.name, 'node1', '203.0.113.1', 'Stopped'],
    [OTHER.name, 'node2', '203.0.113.2', 'Partitioned'],
  ]);
  expect(await rows('--name', LAB.name)).toEqual([[LAB.name, 'node1', '203.0.113.1', 'Ready']]);
  const refused = await tsswarmOutcome(['lab', 'start', '--name', LAB.name, 'node2']);
  expect(refused.stderr).toContain(`there is no node "node2" in the lab "${LAB.name}"`);
});

test('lab down --name - takes that lab whole, and leaves the other alone', async () => {
  expect(await tsswarm('lab', 'down', '--name', OTHER.name)).toBe(`The lab "${OTHER.name}" is down.\n`);
  expect(describeInventory(await takeInventory(OTHER))).toEqual([]);
  expect((await execute('ip', ['netns', 'list'])).stdout).not.toContain(OTHER.prefix);
  expect((await execute('pgrep', ['-f', `/labs/${OTHER.name}/`])).stdout).toBe('');
  expect(await askedIn(LAB)).toBe('here');
  expect(await tsswarm('lab', 'down', '--name', OTHER.name)).toBe(`There is no lab "${OTHER.name}".\n`);
});

test('lab ls - a lab that went half, its switch gone before its nodes: they are shown, and lab down takes them', async () => {
  await execute('ip', ['netns', 'add', `${OTHER.prefix}node1`]);
  await execute('umount', [namespaceFile(OTHER, 'node1')]);
  expect(await rows('--name', OTHER.name)).toEqual([[OTHER.name, 'node1', '203.0.113.1', 'Stopped']]);
  expect(await tsswarm('lab', 'down', '--name', OTHER.name)).toBe(`The lab "${OTHER.name}" is down.\n`);
});

test.each(['Blue', 'a_b', '../x', 'x'.repeat(33)])('the name "%s" is refused', async (name) => {
  const { code, stderr } = await tsswarmOutcome(['lab', 'up', '--name', name]);
  expect(stderr).toContain(`Error: "${name}" is not a name for a lab`);
  expect(code).toBe(1);
});

test('lab down --all - takes whatever there is of labs, by its namespaces and folders', async () => {
  // With mounts, links and processes of its own it sees no lab of this machine, and ends none's daemons.
  const script = `
    for folder in /run /var/lib /sys/fs/cgroup; do mount -t tmpfs tmpfs $folder; done
    ip netns add lab-node1; ip netns add lab-blue-client; ip netns add mine; ip netns add lab-mine
    mkdir -p /var/lib/tsswarm/labs/green/node1 /run/tsswarm/netns
    nsenter --net=/run/netns/lab-blue-client sleep 1000 &
    ${BINARY} lab down --all
    ls /run/netns /run/tsswarm; ls -A /var/lib
    kill -0 $! 2>&1`;
  const apart = ['--mount', '--net', '--pid', '--fork', '--kill-child', '--mount-proc'];
  const { stdout } = await execute('unshare', [...apart, 'sh', '-c', script]);
  expect(stdout.trim().split('\n')).toEqual([
    'The lab is down.',
    'The lab "blue" is down.',
    'The lab "green" is down.',
    '/run/netns:',
    'lab-mine',
    'mine',
    '',
    '/run/tsswarm:',
    'netns',
    expect.stringContaining('No such process'),
  ]);
});
