import { expect, it } from 'vitest';
import { mountArguments } from './mounting.js';

it.each<[Record<string, string>, string, string]>([
  [{ type: 'tmpfs', device: 'tmpfs', o: 'size=1m' }, '', '-t tmpfs -o size=1m -- tmpfs /v'],
  [{ type: 'none', device: '/srv', o: 'bind,ro' }, '', '-t none -o bind,ro -- /srv /v'],
  [{ type: 'bind', device: '/srv', o: 'bind' }, '', '-t none -o bind -- /srv /v'],
  [{ type: 'nfs', device: 'server:/x' }, '', '-t nfs -- server:/x /v'],
  // The helper of mount(8) would look for the server in the device.
  [{ type: 'nfs', device: ':/x', o: 'addr=server,rw' }, '192.0.2.1', '-i -t nfs -o rw,addr=192.0.2.1 -- :/x /v'],
])('%j', (options, address, line) => {
  expect(mountArguments(options, address, '/v').join(' ')).toBe(line);
});
