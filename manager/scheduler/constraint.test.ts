import { expect, test } from 'vitest';
import {
  EngineDescription,
  Node,
  NodeDescription,
  NodeRole,
  NodeSpec,
  NodeStatus,
  Platform,
} from '../../proto/gen/index.js';
import { meets, meetsAll, parseConstraint } from './constraint.js';

const node = Node.create({
  id: 'abc',
  role: NodeRole.MANAGER,
  spec: NodeSpec.create({ labels: { zone: 'East' } }),
  status: NodeStatus.create({ address: '203.0.113.7' }),
  description: NodeDescription.create({
    hostname: 'node1',
    platform: Platform.create({ os: 'linux', architecture: 'x86_64' }),
    engine: EngineDescription.create({ labels: { disk: 'ssd' } }),
  }),
});

test.each([
  ['node.id==abc', true],
  ['node.id == other', false],
  ['node.hostname!=node1', false],
  ['node.hostname==NODE1', true],
  ['node.role==manager', true],
  ['node.role!=worker', true],
  ['node.ip==203.0.113.7', true],
  ['node.ip==203.0.113.0/24', true],
  ['node.ip!=203.0.113.0/28', false],
  ['node.ip==198.51.100.0/24', false],
  ['node.platform.os==linux', true],
  ['node.platform.arch==amd64', true],
  ['node.labels.zone==east', true],
  ['node.labels.zone!=west', true],
  ['node.labels.rack==1', false],
  ['node.labels.rack!=1', true],
  ['engine.labels.disk==ssd', true],
])('meets - %s is %s', (text, expected) => {
  expect(meets(node, parseConstraint(text))).toBe(expected);
});

test('meets - a node whose address is that of a link alone is at no address', () => {
  const linked = { ...node, status: NodeStatus.create({ address: 'fe80::1%eth0' }) };
  expect(meets(linked, parseConstraint('node.ip==203.0.113.0/24'))).toBe(false);
});

test.each([
  ['node.role=worker', '"node.role=worker" is not a placement constraint'],
  ['node.role==', '"node.role==" is not a placement constraint'],
  ['node.colour==red', 'there is no node property "node.colour"'],
  ['node.labels.==a', 'there is no node property "node.labels."'],
  ['node.role==boss', '"boss" is not a role'],
  ['node.ip==300.0.0.1', '"300.0.0.1" is not an IP address'],
  ['node.ip==10.0.0.0/40', '"10.0.0.0/40" is not a subnet'],
])('parseConstraint - refuses %s', (text, message) => {
  expect(() => parseConstraint(text)).toThrow(message);
});

test('meetsAll - what does not parse moves no task away', () => {
  expect(meetsAll(node, ['nonsense'])).toBe(true);
  expect(meetsAll(node, ['node.role==manager', 'node.labels.zone==west'])).toBe(false);
});
