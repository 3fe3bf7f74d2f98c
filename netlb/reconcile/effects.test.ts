import { describe, expect, test } from 'vitest';
import type { Action } from '../plan/operation.js';
import { NO_ENTRIES } from '../plan/tunnels.js';
import { effectsOf } from './effects.js';
import { PARTS } from './read.js';

const names = ['', '1-network100', 'ingress_sbox', 'task'];
const effects = (action: Action) =>
  effectsOf({ subject: { kind: 'sandbox', id: 'task' }, namespace: 'task', ...action }, names);

describe('effectsOf', () => {
  test('a rule set makes only the rule sets of its namespace doubtful', () => {
    expect(effects({ kind: 'run-nft', commands: [], leaves: new Map() })).toEqual([
      { namespace: 'task', parts: ['tables'] },
    ]);
  });

  test('an interface is seen at both its ends', () => {
    const port = { namespace: '', bridge: 'swarm_gwbridge', name: 'vg', alias: '', isolated: true, hairpin: false };
    const item = { name: 'eth0', mac: '', mtu: 1500, addresses: [], port };
    expect(effects({ kind: 'create-interface', interface: item })).toEqual([
      { namespace: 'task', parts: PARTS },
      { namespace: '', parts: ['links'] },
    ]);
  });

  test('a namespace that goes takes ports of bridges along', () => {
    expect(effects({ kind: 'remove-namespace', vxlan: undefined })).toEqual([
      { namespace: '', parts: ['links'] },
      { namespace: '1-network100', parts: ['links'] },
    ]);
  });

  test('an endpoint elsewhere is a neighbour and ways for its frames', () => {
    expect(effects({ kind: 'add-remotes', vxlan: 'vxlan0', remotes: [], leaves: NO_ENTRIES })).toEqual([
      { namespace: 'task', parts: ['tunnels'] },
    ]);
  });

  test('with a link go its addresses, routes, neighbours and settings', () => {
    expect(effects({ kind: 'remove-links', names: ['eth0'] })).toEqual([{ namespace: 'task', parts: PARTS }]);
  });
});
