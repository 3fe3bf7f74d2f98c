import { expect, test } from 'vitest';
import { NetworkMembers } from './network-members.js';

test('a node is in a network as long as any of its owners is', () => {
  const members = new NetworkMembers();
  members.set('task1', 'node1', ['net', 'other']);
  members.set('task2', 'node1', ['net']);
  members.set('node2', 'node2', ['net']);
  expect([...members.nodesOf('net')]).toEqual(['node1', 'node2']);
  members.set('task1', 'node1', []);
  expect([...members.nodesOf('net')]).toEqual(['node1', 'node2']);
  expect([...members.nodesOf('other')]).toEqual([]);
  members.set('task2', 'node3', ['net']);
  expect([...members.nodesOf('net')].sort()).toEqual(['node2', 'node3']);
});

test('to be told the same again changes nothing', () => {
  const members = new NetworkMembers();
  for (let i = 0; i < 2; i++) members.set('task', 'node', ['net']);
  members.set('task', 'node', []);
  expect([...members.nodesOf('net')]).toEqual([]);
});
