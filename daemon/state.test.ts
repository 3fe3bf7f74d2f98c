import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { newGroup } from '../manager/identity.js';
import { readIdentity, storeIdentity } from './identity-file.js';
import { type NodeState, NodeStateFile, parseNodeState } from './state.js';

const STATE: NodeState = {
  nodeId: 'n',
  clusterId: 'c',
  role: 'worker',
  credential: '00',
  advertiseAddress: '203.0.113.2:2377',
  listenAddress: '0.0.0.0:2377',
  dataPathAddress: '203.0.113.2',
  dataPathPort: 4789,
  managers: ['203.0.113.1:2377'],
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'tsswarm-state-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('NodeStateFile - loads what was saved, and nothing after removal', async () => {
  const file = new NodeStateFile(folder);
  expect(await file.load()).toBeUndefined();
  await file.save(STATE);
  const manager = storeIdentity(newGroup());
  await file.save({ ...STATE, role: 'manager', manager });
  const loaded = await new NodeStateFile(folder).load();
  expect(loaded).toEqual({ ...STATE, role: 'manager', manager });
  expect(loaded?.manager && storeIdentity(readIdentity(loaded.manager))).toEqual(manager);
  await file.remove();
  await file.remove();
  expect(await file.load()).toBeUndefined();
});

test('NodeStateFile - what a member leaves without it is named, with what to do', async () => {
  const file = new NodeStateFile(folder);
  expect(file.remains()).toEqual([]);
  mkdirSync(path.join(folder, 'worker'));
  expect(file.remains()).toMatchObject([
    {
      subject: path.join(folder, 'node.json'),
      message: expect.stringContaining(`but ${folder}/worker of one that it was in is`),
    },
  ]);
});

test('NodeStateFile - only its owner may read the credential, also when somebody opened the file up', async () => {
  const file = new NodeStateFile(folder);
  const mode = () => statSync(path.join(folder, 'node.json')).mode & 0o777;
  await file.save(STATE);
  expect(mode()).toBe(0o600);
  writeFileSync(path.join(folder, 'node.json.new'), 'what a crash left', { mode: 0o644 });
  await file.save(STATE);
  expect(mode()).toBe(0o600);
});

test.each([
  ['', 'Unexpected end of JSON input'],
  ['[1', 'Expected'],
  ['null', 'it holds no object'],
  ['{}', '"nodeId" is missing'],
  [JSON.stringify({ ...STATE, role: 'king' }), '"role" is "king"'],
  [JSON.stringify({ ...STATE, managers: [1] }), '"managers" is missing'],
  [JSON.stringify({ ...STATE, role: 'manager' }), '"manager" names no member of a group'],
  [
    JSON.stringify({ ...STATE, role: 'manager', manager: { ...storeIdentity(newGroup()), secret: '00' } }),
    '"manager.secret" is not 32 bytes in hex',
  ],
  [
    JSON.stringify({ ...STATE, role: 'manager', manager: { ...storeIdentity(newGroup()), keys: [] } }),
    '"manager.keys" are missing',
  ],
])('parseNodeState - %s is refused', (text, words) => {
  expect(() => parseNodeState(text, '/x/node.json')).toThrow('/x/node.json is damaged');
  expect(() => parseNodeState(text, '/x/node.json')).toThrow(words);
});
