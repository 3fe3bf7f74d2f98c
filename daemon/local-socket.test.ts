import { expect, test } from 'vitest';
import { groupId } from './local-socket.js';

test('groupId - by the whole name', () => {
  const text = 'root:x:0:\ntsswarm-old:x:998:\ntsswarm:x:997:ann\n';
  expect(groupId(text, 'tsswarm')).toBe(997);
  expect(groupId(text, 'docker')).toBeUndefined();
  expect(groupId('tsswarm:x::', 'tsswarm')).toBeUndefined();
});
