import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { IPAMConfig, PortConfig } from '../../proto/gen/index.js';
import { ContainersGround } from './containers-fixture.js';

let ground: ContainersGround;

beforeAll(async () => {
  ground = await ContainersGround.open();
}, 60_000);
afterEach(() => ground.clear());
afterAll(() => ground?.close(), 60_000);

const ipam = (fields: Partial<IPAMConfig>) => [IPAMConfig.create(fields)];
const fileIn = async (id: string, path: string) =>
  readFileSync(`/proc/${(await ground.inspect(id)).pid}/root${path}`, 'utf8');
const resolves = (id: string, name: string) =>
  ground.inside(id, 'dig', '+short', '+time=2', '@127.0.0.11', name).trim();
const reaches = (from: string, address: string) => {
  try {
    ground.inside(from, 'ping', '-c1', '-W2', address);
    return true;
  } catch {
    return false;
  }
};

describe('networks - always there', () => {
  it('are bridge, host and none, which cannot be removed', async () => {
    const { networks } = await ground.rpc.listLocalNetworks({ filters: [] });
    expect(networks.map(({ spec }) => `${spec.name} ${spec.driver}`).sort()).toEqual([
      'bridge bridge',
      'host host',
      'none null',
    ]);
    for (const ref of ['bridge', 'host', 'none'])
      await expect(ground.rpc.removeLocalNetwork({ ref })).rejects.toThrow('pre-defined network');
    expect(ground.outside('ip', '-br', '-4', 'addr', 'show', 'tsswarm0')).toContain('172.17.0.1/16');
  });

  it('give containers the default bridge, the machine or nothing, as they ask', async () => {
    const plain = await ground.run('plain', ['sleep', '1000']);
    expect(ground.addresses(plain)).toEqual(['eth0 172.17.0.2/16']);
    expect(await fileIn(plain, '/etc/hosts')).toContain(`172.17.0.2\t${plain.slice(0, 12)}`);
    expect(await fileIn(plain, '/etc/resolv.conf')).not.toContain('127.0.0.11');
    const none = await ground.run('none', ['sleep', '1000'], { networks: ['none'] });
    expect(ground.addresses(none)).toEqual([]);
    const host = await ground.run('host', ['sleep', '1000'], { networks: ['host'] });
    const { pid, sandboxKey } = await ground.inspect(host);
    expect(sandboxKey).toBe('');
    expect(readFileSync(`/proc/${pid}/net/dev`, 'utf8')).toContain('tsswarm0');
    const shared = await ground.run('shared', ['sleep', '1000'], { networks: [`container:${plain}`] });
    const { pid: inside } = await ground.inspect(shared);
    expect(readFileSync(`/proc/${inside}/net/fib_trie`, 'utf8')).toContain('172.17.0.2');
    const users = (await ground.rpc.inspectLocalNetwork({ ref: 'bridge' })).users;
    expect(users).toMatchObject([{ containerId: plain, endpoint: { addresses: ['172.17.0.2/16'] } }]);
  });
});

describe('networks - of their own', () => {
  it('resolve names and aliases, and are isolated from others', async () => {
    const front = await ground.network('front', { ipam: ipam({ subnet: '10.99.0.0/24' }) });
    await ground.network('back');
    expect(ground.links()).toContain(`br-${front.id.slice(0, 12)}`);
    const db = await ground.run('db', ['sleep', '1000'], {
      networks: [{ network: 'front', ipv4Address: '10.99.0.77', aliases: ['data'] }],
    });
    const web = await ground.run('web', ['sleep', '1000'], { networks: ['front'] });
    const other = await ground.run('other', ['sleep', '1000'], { networks: ['back'] });
    expect(ground.addresses(db)).toEqual(['eth0 10.99.0.77/24']);
    for (const name of ['db', 'data', db.slice(0, 12)]) expect(resolves(web, name)).toBe('10.99.0.77');
    expect(await fileIn(web, '/etc/resolv.conf')).toContain('nameserver 127.0.0.11');
    expect(resolves(other, 'db')).toBe('');
    expect(reaches(web, '10.99.0.77')).toBe(true);
    expect(reaches(other, '10.99.0.77')).toBe(false);
    await expect(ground.rpc.removeLocalNetwork({ ref: 'front' })).rejects.toThrow(/active endpoints: .*db/);
    await ground.rpc.stopContainer({ ref: db, signal: 'KILL', grace: undefined });
    await ground.until('the name to go', () => resolves(web, 'db') === '');
  });

  it('keep an address that was asked for while its container is there, running or not', async () => {
    await ground.network('front', { ipam: ipam({ subnet: '10.99.0.0/24' }) });
    const asked = { networks: [{ network: 'front', ipv4Address: '10.99.0.2' }] };
    const { id } = await ground.create('keeper', ['sleep', '1000'], asked);
    await expect(ground.create('thief', ['true'], asked)).rejects.toThrow('Address already in use: 10.99.0.2');
    const web = await ground.run('web', ['sleep', '1000'], { networks: ['front'] });
    expect(ground.addresses(web)).toEqual(['eth0 10.99.0.3/24']);
    const outside = { networks: [{ network: 'front', ipv4Address: '10.98.0.2' }] };
    await expect(ground.create('far', ['true'], outside)).rejects.toThrow('no configured subnet of network front');
    const bridge = { networks: [{ network: 'bridge', ipv4Address: '172.17.0.9' }] };
    await expect(ground.create('far', ['true'], bridge)).rejects.toThrow('user defined networks only');
    await ground.rpc.removeContainer({ ref: id, force: false, volumes: false });
    const heir = await ground.run('heir', ['sleep', '1000'], asked);
    expect(ground.addresses(heir)).toEqual(['eth0 10.99.0.2/24']);
  });

  it('overlap nothing that the machine has', async () => {
    await ground.network('front', { ipam: ipam({ subnet: '10.99.0.0/24' }) });
    const create = (subnet: string) => ground.network('more', { ipam: ipam({ subnet }) });
    await expect(create('10.99.0.128/25')).rejects.toThrow('10.99.0.0/24 of network "front"');
    ground.outside('ip', 'link', 'add', 'vpn', 'type', 'bridge');
    try {
      ground.outside('ip', 'addr', 'add', '10.97.0.1/16', 'dev', 'vpn');
      await expect(create('10.97.3.0/24')).rejects.toThrow('10.97.0.0/16 of interface vpn');
    } finally {
      ground.outside('ip', 'link', 'del', 'vpn');
    }
    await expect(ground.network('more', { driverOptions: { colour: 'red' } })).rejects.toThrow('option "colour"');
  });
});

describe('networks - connected and disconnected', () => {
  it('change a running container, its names and its files, and last over a restart', async () => {
    await ground.network('front', { ipam: ipam({ subnet: '10.99.0.0/24' }) });
    const db = await ground.run('db', ['sleep', '1000'], { networks: ['front'] });
    const web = await ground.run('web', ['sleep', '1000']);
    const network = { network: 'front', ipv4Address: '10.99.0.9', ipv6Address: '', mac: '', aliases: [] };
    await ground.rpc.connectContainer({ container: 'web', network });
    expect(ground.addresses(web)).toEqual([expect.stringMatching(/^eth0 172\.17\./), 'eth1 10.99.0.9/24']);
    expect(resolves(web, 'db')).toBe('10.99.0.2');
    expect(await fileIn(web, '/etc/resolv.conf')).toContain('127.0.0.11');
    expect(reaches(db, '10.99.0.9')).toBe(true);
    await expect(ground.rpc.connectContainer({ container: 'web', network })).rejects.toThrow(
      'already exists in network',
    );
    await ground.rpc.disconnectContainer({ container: 'web', network: 'bridge', force: false });
    expect(ground.addresses(web)).toEqual(['eth1 10.99.0.9/24']);
    await ground.end('SIGKILL');
    await ground.start();
    await ground.rpc.stopContainer({ ref: web, signal: 'KILL', grace: undefined });
    await ground.rpc.startContainer({ ref: web });
    expect(ground.addresses(web)).toEqual(['eth0 10.99.0.9/24']);
    await ground.rpc.disconnectContainer({ container: 'web', network: 'front', force: false });
    expect(ground.addresses(web)).toEqual([]);
  });
});

describe('ports - published', () => {
  const port = (publishedPort: number, targetPort = 80) => PortConfig.create({ publishedPort, targetPort });
  const serving = (text: string) => ['sh', '-c', `echo ${text} > /index.html; exec httpd -f -p 80 -h /`];
  const get = (at: number) =>
    ground.outside('curl', '-s', '--retry', '5', '--retry-connrefused', `127.0.0.1:${at}`).trim();

  it('lead to the container while it runs, one of them to one container', async () => {
    const web = await ground.run('web', serving('web'), { ports: [port(8080)] });
    expect(get(8080)).toBe('web');
    const { id } = await ground.create('late', serving('late'), { ports: [port(8080)] });
    await expect(ground.rpc.startContainer({ ref: id })).rejects.toThrow(
      'Bind for 0.0.0.0:8080 failed: port 8080/tcp is in use by container "web"',
    );
    await ground.rpc.removeContainer({ ref: web, force: true, volumes: false });
    await ground.rpc.startContainer({ ref: id });
    expect(get(8080)).toBe('late');
  });

  it('are chosen where they are left open, and for all that the image exposes', async () => {
    const one = await ground.run('one', serving('one'), { ports: [port(0)] });
    const all = await ground.run('all', serving('all'), { publishAll: true });
    const ports = await Promise.all(
      [one, all].map(async (id) => (await ground.inspect(id)).ports[0]?.publishedPort ?? 0),
    );
    expect(new Set(ports).size).toBe(2);
    for (const chosen of ports) expect(chosen).toBeGreaterThanOrEqual(32_768);
    expect(ports.map(get)).toEqual(['one', 'all']);
  });
});
