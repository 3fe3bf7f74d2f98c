import { expect, test } from 'vitest';
import { labMounts } from './inventory.js';
import { labLayout } from './layout.js';

const line = (point: string) => `36 35 98:0 / ${point} rw,noatime shared:1 - ext4 /dev/root rw`;

test('labMounts - the deepest and newest first, of the lab alone', () => {
  const text = [
    line('/'),
    line('/run/netns'),
    line('/run/netns/lab-node1'),
    line('/run/netns/lab-blue-node1'),
    line('/run/netns/other'),
    line('/run/tsswarm/labs/blue/node1/netns/1-abc'),
    line('/run/tsswarm/netns/1-abc'),
    line('/run/tsswarm/lab/node1/netns/1-abc'),
    line('/run/tsswarm/lab/node1/netns/1-abc'),
    line('/var/lib/tsswarm/lab/node1/a\\040b/merged'),
    '',
  ].join('\n');
  expect(labMounts(text, labLayout('blue'))).toEqual([
    '/run/tsswarm/labs/blue/node1/netns/1-abc',
    '/run/netns/lab-blue-node1',
  ]);
  expect(labMounts(text, labLayout('lab'))).toEqual([
    '/var/lib/tsswarm/lab/node1/a b/merged',
    '/run/tsswarm/lab/node1/netns/1-abc',
    '/run/tsswarm/lab/node1/netns/1-abc',
    '/run/netns/lab-node1',
  ]);
});
