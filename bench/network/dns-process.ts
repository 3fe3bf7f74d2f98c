/**
 * A node with one sandbox and its resolver, in the network namespace that this program is started in. Says so in one
 * line, and ends with its standard input.
 */
import { once } from 'node:events';
import { createLogger } from '../../lib/log.js';
import { NetworkPlane } from '../../netlb/plane.js';
import { benchNames, SANDBOX } from './dns-names.js';

const [runRoot = ''] = process.argv.slice(2);
const plane = await NetworkPlane.open({ runRoot, log: createLogger('warn', 'bench') });
const { problems } = await plane.apply({
  underlay: undefined,
  gatewayBridge: undefined,
  overlays: [],
  bridges: [],
  routed: [],
  sandboxes: [
    {
      id: SANDBOX,
      endpoints: [],
      gateway: false,
      virtualServices: [],
      ingress: undefined,
      hostPorts: [],
      resolver: { zones: ['front'], nameservers: [], forward: false },
    },
  ],
  ingress: undefined,
  zones: [
    {
      id: 'front',
      networkName: 'front',
      names: benchNames().map(({ name, address }) => ({ name, addresses: [address], canonical: true })),
      ports: [],
    },
  ],
});
if (problems.length > 0) throw new Error(JSON.stringify(problems));
process.stdout.write('ready\n');
process.stdin.resume();
await once(process.stdin, 'end');
await plane.destroy();
