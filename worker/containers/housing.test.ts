import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { ManualClock } from '../../lib/clock.js';
import { silentLogger } from '../../lib/log.js';
import {
  ContainerConfig,
  ContainerNetwork,
  IPAMConfig,
  NetworkSpec,
  PortConfig,
  RunPhase,
  StoredContainer,
} from '../../proto/gen/index.js';
import { AttachmentsClient } from '../agent/attachments.js';
import { Quarters } from './housing.js';
import { LocalNetworks } from './networks.js';
import { openStores } from './store.js';

const never = new AbortController().signal;
let networks: LocalNetworks;
let records: StoredContainer[];
let quarters: Quarters;
let inSwarm: boolean;

const open = () =>
  new Quarters({
    networks,
    attachments: new AttachmentsClient(new ManualClock()),
    inSwarm: () => inSwarm,
    containers: () => records,
    published: () => [],
    listeners: () => [],
  });
const container = (letter: string, names: string[], fields: Partial<ContainerConfig> = {}): StoredContainer => {
  const asked = names.map((network) => ContainerNetwork.create({ network }));
  const config = ContainerConfig.create({ name: letter, networks: asked, ...fields });
  const record = StoredContainer.create({ id: letter.repeat(64), config });
  records.push(record);
  return record;
};
const addressesOf = async (record: StoredContainer) =>
  (await quarters.house(record, never)).endpoints.map(
    ({ endpoint }) => `${endpoint.networkName} ${endpoint.interface} ${endpoint.addresses.join()}`,
  );

beforeEach(async () => {
  const root = await mkdtemp(join(tmpdir(), 'tsswarm-quarters-'));
  onTestFinished(() => rm(root, { recursive: true }));
  const stores = await openStores(root, silentLogger);
  const clock = new ManualClock();
  networks = await LocalNetworks.open({
    store: stores.networks,
    gatewayBridge: '172.18.0.1/16',
    clock,
    claims: () => [],
    links: () => new Set(),
  });
  for (const [name, subnet] of [
    ['front', '10.9.0.0/24'],
    ['tiny', '10.8.0.0/29'],
  ] as const) {
    await networks.create(NetworkSpec.create({ name, ipam: [IPAMConfig.create({ subnet })] }));
  }
  records = [];
  inSwarm = false;
  quarters = open();
});

describe('Quarters - house', () => {
  it('gives an endpoint in each network in their order, and in the default one when none is named', async () => {
    expect(await addressesOf(container('a', []))).toEqual(['bridge eth0 172.17.0.2/16']);
    expect(await addressesOf(container('b', ['tiny', 'front']))).toEqual([
      'tiny eth0 10.8.0.2/29',
      'front eth1 10.9.0.2/24',
    ]);
    expect(await addressesOf(container('c', ['none']))).toEqual(['none  ']);
  });

  it('keeps nothing when a later network has no address left', async () => {
    for (const letter of 'bcdef') await quarters.house(container(letter, ['tiny']), never);
    const late = container('a', ['front', 'tiny'], {
      ports: [PortConfig.create({ targetPort: 80, publishedPort: 8080 })],
    });
    await expect(quarters.house(late, never)).rejects.toThrow('no available IPv4 addresses in network tiny');
    const heir = container('9', ['front'], { ports: late.config.ports });
    expect(await addressesOf(heir)).toEqual(['front eth0 10.9.0.3/24']);
  });

  it('gives a port to one container until that has given it back', async () => {
    const ports = [PortConfig.create({ targetPort: 80, publishedPort: 8080 })];
    const first = container('a', [], { ports });
    const second = container('b', [], { ports });
    const { endpoints } = await quarters.house(first, never);
    await expect(quarters.house(second, never)).rejects.toThrow('port 8080/tcp is in use by container "a"');
    quarters.release(first, endpoints);
    expect((await quarters.house(second, never)).ports).toEqual(ports);
  });

  it('says which network is not there, and which container is not to be shared', async () => {
    await expect(quarters.house(container('a', ['gone']), never)).rejects.toThrow('network gone not found');
    const rests = container('b', []);
    await expect(quarters.house(container('c', [`container:${rests.id}`]), never)).rejects.toThrow(
      'cannot join network of a non running container: b',
    );
  });
});

describe('Quarters - local', () => {
  it('finds a network by the beginning of its id, but takes few digits for a name when there is a swarm', () => {
    const { id } = networks.named('front') ?? expect.fail();
    expect(quarters.local(id.slice(0, 6))?.spec.name).toBe('front');
    inSwarm = true;
    expect(quarters.local(id.slice(0, 6))).toBeUndefined();
    expect(quarters.local(id.slice(0, 12))?.spec.name).toBe('front');
    expect(quarters.local('front')?.id).toBe(id);
  });
});

describe('Quarters - load', () => {
  it('goes on where the records are, also when some of them do not go together', async () => {
    const first = container('a', ['front']);
    const housing = await quarters.house(first, never);
    const lost = housing.endpoints.map((stored) => ({
      ...stored,
      endpoint: { ...stored.endpoint, networkId: 'f'.repeat(64) },
    }));
    records = [
      { ...first, phase: RunPhase.RUNNING, ...housing },
      { ...container('b', ['front']), phase: RunPhase.RUNNING, endpoints: lost },
    ];
    quarters = open();
    quarters.load();
    expect(await addressesOf(container('c', ['front']))).toEqual(['front eth0 10.9.0.3/24']);
  });
});
