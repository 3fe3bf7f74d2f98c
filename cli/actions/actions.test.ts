import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { DoctorResponse, NetworkRepair } from '../../proto/gen/node.js';
import { KernelFeature, NodeProblem } from '../../proto/gen/objects.js';
import { Flags } from '../flags/flags.js';
import { networkSpec } from '../flags/network.js';
import { doctorText } from './doctor.js';
import { logOptions } from './logs.js';
import { registryAuth, registryOf } from './registry-auth.js';
import { parseScale } from './service-update.js';
import { initRequest, withPort } from './swarm-membership.js';
import { joinText } from './swarm-settings.js';

describe('init and join', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1:2377'],
    ['192.0.2.1:4000', '192.0.2.1:4000'],
    ['node1.example', 'node1.example:2377'],
    ['fd00::1', '[fd00::1]:2377'],
    ['[fd00::1]', '[fd00::1]:2377'],
    ['[fd00::1]:4000', '[fd00::1]:4000'],
  ])('withPort(%s)', (address, whole) => {
    expect(withPort(address)).toBe(whole);
  });

  it.each(['', 'host:port', 'http://x', 'a b'])('withPort refuses %j', (address) => {
    expect(() => withPort(address)).toThrow(`"${address}" is not an address of a manager`);
  });

  it('sends no spec when no setting is given', () => {
    expect(initRequest(new Flags({})).spec).toBeUndefined();
    expect(initRequest(new Flags({ taskHistoryLimit: '3', dispatcherHeartbeat: '1s' })).spec).toMatchObject({
      taskHistoryLimit: 3,
      dispatcherHeartbeat: 1e9,
    });
    const request = initRequest(new Flags({ defaultAddrPool: ['10.1.0.0/16,10.2.0.0/16'], dataPathPort: '4790' }));
    expect(request).toMatchObject({ defaultAddressPools: ['10.1.0.0/16', '10.2.0.0/16'], dataPathPort: 4790 });
  });

  it.each([
    [{ dataPathPort: '80' }, 'must be from 1024 to 49151'],
    [{ dataPathPort: '60000' }, 'must be a whole number from 0 to 49151'],
    [{ defaultAddrPool: ['10.0.0.0'] }, 'invalid argument "10.0.0.0" for "--default-addr-pool" flag'],
    [{ defaultAddrPoolMaskLength: '31' }, 'must be a whole number from 8 to 29'],
    [{ availability: 'maybe' }, 'must be one of active, pause, drain'],
  ])('refuses %j', (flags, words) => {
    expect(() => initRequest(new Flags(flags))).toThrow(words);
  });

  it.each([
    [{ defaultAddrPool: ['10.1.0.0/16'] }, '--default-addr-pool cannot be used with --force-new-cluster'],
    [{ dataPathPort: '4790' }, '--data-path-port cannot be used with --force-new-cluster'],
    [{ availability: 'drain' }, '--availability cannot be used with --force-new-cluster'],
    [{ snapshotInterval: '500' }, '--snapshot-interval cannot be used with --force-new-cluster'],
  ])('a new cluster keeps what it has: refuses %j', (flags, words) => {
    expect(() => initRequest(new Flags({ ...flags, forceNewCluster: true }))).toThrow(words);
  });

  it('a new cluster may have other addresses', () => {
    const addresses = { advertiseAddr: '192.0.2.1', listenAddr: '192.0.2.1', dataPathAddr: '198.51.100.1' };
    expect(initRequest(new Flags({ ...addresses, forceNewCluster: true }))).toMatchObject({
      forceNewCluster: true,
      advertiseAddress: '192.0.2.1',
      listenAddress: '192.0.2.1',
      dataPathAddress: '198.51.100.1',
    });
  });

  it('prints the line that joins', () => {
    expect(joinText('worker', 'T', 'A:2377')).toBe(
      'To add a worker to this swarm, run the following command:\n\n    tsswarm join --token T A:2377\n\n',
    );
  });
});

describe('network create', () => {
  it('puts gateways, ranges and addresses to their subnets', () => {
    const spec = networkSpec(
      'net',
      new Flags({
        subnet: ['10.1.0.0/24', '10.2.0.0/24'],
        gateway: ['10.2.0.1'],
        ipRange: ['10.1.0.128/25'],
        auxAddress: ['router=10.1.0.9'],
        opt: ['encrypted', 'mtu=1400'],
        attachable: true,
      }),
    );
    expect(spec.ipam).toEqual([
      { subnet: '10.1.0.0/24', gateway: '', ipRange: '10.1.0.128/25', auxiliaryAddresses: { router: '10.1.0.9' } },
      { subnet: '10.2.0.0/24', gateway: '10.2.0.1', ipRange: '', auxiliaryAddresses: {} },
    ]);
    expect(spec).toMatchObject({ driverOptions: { encrypted: '', mtu: '1400' }, attachable: true, internal: false });
  });

  it('a subnet has one gateway', () => {
    const flags = new Flags({ subnet: ['10.1.0.0/24'], gateway: ['10.1.0.1', '10.1.0.2'] });
    expect(() => networkSpec('net', flags)).toThrow('has two gateways: 10.1.0.1 and 10.1.0.2');
  });
});

describe('logs', () => {
  const now = Date.parse('2026-11-21T12:00:00Z');
  it.each([
    ['2026-11-21T11:00:00Z', now - 3_600_000],
    ['2026-11-21T11:00:00', now - 3_600_000],
    ['2026-11-21', now - 12 * 3_600_000],
    ['1700000000', 1_700_000_000_000],
    ['42m', now - 42 * 60_000],
  ])('--since %s', (text, since) => {
    expect(logOptions(new Flags({ since: text }), now).since).toBe(since);
  });

  it('--tail', () => {
    expect(logOptions(new Flags({ tail: 'all' }), now).tail).toBeUndefined();
    expect(logOptions(new Flags({ tail: '0' }), now).tail).toBe(0);
    expect(() => logOptions(new Flags({ tail: 'some' }), now)).toThrow('invalid argument "some" for "--tail" flag');
  });
});

it('parseScale', () => {
  expect(parseScale('web=5')).toEqual({ ref: 'web', replicas: 5 });
  for (const bad of ['web', 'web=', '=5', 'web=-1', 'web=1.5'])
    expect(() => parseScale(bad)).toThrow(`invalid scale specifier "${bad}"`);
});

it('doctor - says what to do and whether tasks can run', () => {
  const feature = (fields: Partial<KernelFeature>) => KernelFeature.create(fields);
  const features = [
    feature({ name: 'nft', available: true, required: true }),
    feature({ name: 'crun', required: true, remedy: 'apt install crun' }),
    feature({ name: 'ipvs' }),
  ];
  const text = doctorText(DoctorResponse.create({ features }), { repair: false, earlier: [], now: 0 });
  expect(text).toMatch(/^FEATURE +STATUS +MEANING\nnft +ok .*\ncrun +MISSING .*\nipvs +absent /);
  expect(text).toContain('\ncrun:\n  do:    apt install crun\n');
  expect(text).toContain('Tasks cannot run here: crun missing.\n');
});

it('doctor - tells what others changed and was put back', () => {
  const repair = NetworkRepair.create({
    subject: 'task web.1',
    message: 'the address of eth0 was missing',
    at: 60_000,
  });
  const report = DoctorResponse.create({ repairs: [repair] });
  const lately = doctorText(report, { repair: false, earlier: [], now: 180_000 });
  expect(lately).toContain('put back (1 of 1):\n  2 minutes ago, task web.1: the address of eth0 was missing\n');
  expect(doctorText(report, { repair: true, earlier: [], now: 180_000 })).toContain(
    'Put back now:\n  task web.1: the address',
  );
  const nothing = doctorText(DoctorResponse.create({}), { repair: true, earlier: [repair], now: 61_000 });
  expect(nothing).toContain('nothing had to be put back.\n\nChanged by others and put back (1 of 1):\n  1 second ago');
  const left = DoctorResponse.create({ problems: [NodeProblem.create({ subject: 'ingress', message: 'no vxlan' })] });
  const failed = doctorText(left, { repair: true, earlier: [], now: 0 });
  expect(failed).toContain(
    'Problems now:\n  ingress: no vxlan\n\nNothing was put back: the problems above are left.\n',
  );
  expect(failed).not.toContain('as it shall be');
});

describe('registryAuth', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'tsswarm-auth-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('finds the registry of a name', () => {
    expect(registryOf('web')).toBe('https://index.docker.io/v1/');
    expect(registryOf('library/web')).toBe('https://index.docker.io/v1/');
    expect(registryOf('localhost/web')).toBe('localhost');
    expect(registryOf('reg.example:5000/a/b')).toBe('reg.example:5000');
  });

  it('gives what docker login kept', () => {
    const auth = Buffer.from('user:pa:ss').toString('base64');
    writeFileSync(path.join(folder, 'config.json'), JSON.stringify({ auths: { 'reg.example:5000': { auth } } }));
    const env = { DOCKER_CONFIG: folder };
    expect(registryAuth('web', env)).toBe('');
    expect(JSON.parse(Buffer.from(registryAuth('reg.example:5000/web', env), 'base64').toString())).toEqual({
      username: 'user',
      password: 'pa:ss',
      serveraddress: 'reg.example:5000',
    });
    expect(registryAuth('web', { DOCKER_CONFIG: path.join(folder, 'none') })).toBe('');
  });
});
