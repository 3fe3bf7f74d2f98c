import { expect, test } from 'vitest';
import { nodeLayout, parseNodeName } from './layout.js';

test('nodeLayout - everything follows from the number', () => {
  expect(nodeLayout(2)).toMatchObject({
    name: 'node2',
    namespace: 'lab-node2',
    address: '203.0.113.2',
    host: 'unix:///run/tsswarm/lab/node2/tsswarm.sock',
    dataRoot: '/var/lib/tsswarm/lab/node2',
    cgroup: '/tsswarm/lab-node2',
  });
});

test('parseNodeName - name or namespace', () => {
  expect(parseNodeName('node12')).toBe(12);
  expect(parseNodeName('lab-node3')).toBe(3);
});

test.each(['node0', 'node', 'worker1', 'node01', 'node1/../x', ''])('parseNodeName - "%s" is refused', (name) => {
  expect(() => parseNodeName(name)).toThrow(`"${name}" is not a node of a lab`);
});
