import { expect, test } from 'vitest';
import { readdress } from './readdress.js';
import type { NodeState } from './state.js';

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
  interface: 'eth0',
};

const at = (...pairs: readonly (readonly [string, string])[]) => ({
  addresses: pairs.map(([name, address]) => ({ name, address, family: 4 as const })),
  defaultInterfaces: [],
});

test('readdress - the interface that was advertised has another address', () => {
  const machine = at(['docker0', '172.17.0.1'], ['eth0', '203.0.113.77']);
  expect(readdress(STATE, machine)).toEqual({
    ...STATE,
    advertiseAddress: '203.0.113.77:2377',
    dataPathAddress: '203.0.113.77',
  });
  const apart = { ...STATE, dataPathAddress: '198.51.100.2' };
  expect(readdress(apart, machine)).toEqual({ ...apart, advertiseAddress: '203.0.113.77:2377' });
});

test.each([
  ['as it was', at(['eth0', '203.0.113.2'])],
  ['not up yet', at(['docker0', '172.17.0.1'])],
  ['with several addresses', at(['eth0', '203.0.113.77'], ['eth0', '203.0.113.78'])],
])('readdress - an interface %s changes nothing', (_, machine) => {
  expect(readdress(STATE, machine)).toBe(STATE);
});
