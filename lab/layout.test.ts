import { expect, test } from 'vitest';
import { commandOf, labLayout, nodeLayout, owns, parseNamespace, parseNodeName, titleOf } from './layout.js';

const lab = labLayout('lab');
const blue = labLayout('blue');

test('nodeLayout - everything follows from the lab and the number', () => {
  expect(nodeLayout(lab, 2)).toMatchObject({
    name: 'node2',
    namespace: 'lab-node2',
    address: '203.0.113.2',
    address6: '2001:db8::2',
    host: 'unix:///run/tsswarm/lab/node2/tsswarm.sock',
    dataRoot: '/var/lib/tsswarm/lab/node2',
    cgroup: '/tsswarm/lab-node2',
  });
  expect(nodeLayout(blue, 2)).toMatchObject({
    name: 'node2',
    namespace: 'lab-blue-node2',
    address: '203.0.113.2',
    host: 'unix:///run/tsswarm/labs/blue/node2/tsswarm.sock',
    dataRoot: '/var/lib/tsswarm/labs/blue/node2',
    cgroup: '/tsswarm/lab-blue-node2',
  });
});

test('labLayout - the default lab keeps its short names', () => {
  expect(lab.prefix).toBe('lab-');
  expect([titleOf(lab), titleOf(blue)]).toEqual(['lab', 'lab "blue"']);
  expect(commandOf(lab, 'down')).toBe('tsswarm lab down');
  expect(commandOf(blue, 'up', '--nodes 3')).toBe('tsswarm lab up --name blue --nodes 3');
});

test.each(['', '-', 'Blue', 'a_b', 'a-', '-a', 'a/b', '..', 'a b', 'x'.repeat(33)])(
  'labLayout - the name "%s" is refused',
  (name) => {
    expect(() => labLayout(name)).toThrow(`"${name}" is not a name for a lab`);
  },
);

test('labLayout - the longest name leaves room for the path of a socket', () => {
  const longest = nodeLayout(labLayout('x'.repeat(32)), 200);
  expect(longest.socket.length).toBeLessThan(108);
});

test('parseNamespace - whose it is, whatever hyphens the name has', () => {
  expect(parseNamespace('lab-node1')).toEqual({ lab: 'lab', station: 'node1' });
  expect(parseNamespace('lab-blue-node12')).toEqual({ lab: 'blue', station: 'node12' });
  expect(parseNamespace('lab-node1-node2')).toEqual({ lab: 'node1', station: 'node2' });
  expect(parseNamespace('lab-a-b-client')).toEqual({ lab: 'a-b', station: 'client' });
  expect(parseNamespace('lab-underlay')).toEqual({ lab: 'lab', station: 'underlay' });
  for (const foreign of ['lab-', 'lab-x', 'node1', 'my-lab-node1', 'lab-blue-node1x'])
    expect(parseNamespace(foreign)).toBeUndefined();
});

test('owns - a lab its stations, a node itself, neither those of another lab', () => {
  expect(owns(lab, 'lab-client')).toBe(true);
  expect(owns(lab, 'lab-blue-client')).toBe(false);
  expect(owns(blue, 'lab-blue-node1')).toBe(true);
  expect(owns(blue, 'lab-blue-sky-node1')).toBe(false);
  expect(owns(nodeLayout(blue, 1), 'lab-blue-node1')).toBe(true);
  expect(owns(nodeLayout(blue, 1), 'lab-blue-node11')).toBe(false);
});

test('parseNodeName - name or namespace', () => {
  expect(parseNodeName(lab, 'node12')).toBe(12);
  expect(parseNodeName(lab, 'lab-node3')).toBe(3);
  expect(parseNodeName(blue, 'lab-blue-node3')).toBe(3);
});

test.each(['node0', 'node', 'worker1', 'node01', 'node1/../x', '', 'lab-blue-node1'])(
  'parseNodeName - "%s" is refused',
  (name) => {
    expect(() => parseNodeName(lab, name)).toThrow(`"${name}" is not a node of a lab`);
  },
);
