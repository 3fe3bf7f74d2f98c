import { describe, expect, test } from 'vitest';
import { formatCidr, parseCidr } from '../../lib/ip.js';
import { IPAMConfig, type Network, type NetworkSpec } from '../../proto/gen/index.js';
import { VNI_OPTION } from '../common/overlay-options.js';
import { testNetwork } from '../testing/objects.js';
import {
  afterNetwork,
  allocateNetwork,
  growNetwork,
  type LastGiven,
  localPool,
  NOTHING_GIVEN,
  type Occupied,
} from './network.js';
import { nextInTurn } from './turn.js';

const SOURCE = { pools: [parseCidr('10.0.0.0/22')], prefix: 24, pool6: localPool('swarm') };

/** Makes one network after another, as the allocator does; `gone` are those that are removed before. */
function make(specs: readonly Partial<NetworkSpec>[], gone: readonly number[] = [], hosts: readonly string[] = []) {
  const networks: Network[] = [];
  let last: LastGiven = NOTHING_GIVEN;
  for (const [i, fields] of specs.entries()) {
    const others = networks.filter((_, at) => !(gone.includes(at) && at < i));
    const occupied: Occupied = {
      subnets: others.flatMap((n) => n.ipam.map(({ subnet }) => ({ cidr: parseCidr(subnet), name: n.spec.name }))),
      vnis: new Map(others.map((n) => [n.vni, n.spec.name])),
      hosts: hosts.map(parseCidr),
    };
    const made = allocateNetwork(testNetwork(`n${i}`, fields), occupied, SOURCE, last);
    last = afterNetwork(last, made);
    networks.push(made);
  }
  return networks;
}
const subnets = (networks: readonly Network[]) => networks.map((n) => n.ipam.map(({ subnet }) => subnet).join(' '));

describe('what nobody has chosen', () => {
  test('is not given again as soon as it is free, but when all others have been', () => {
    const networks = make([{}, {}, {}, {}, {}], [0, 1]);
    expect(subnets(networks)).toEqual(['10.0.0.0/24', '10.0.1.0/24', '10.0.2.0/24', '10.0.3.0/24', '10.0.0.0/24']);
    expect(networks.map(({ vni }) => vni)).toEqual([4096, 4097, 4098, 4099, 4100]);
  });

  test('has no address of a machine in it', () => {
    expect(subnets(make([{}, {}], [], ['10.0.0.9/32', '10.0.2.7/32']))).toEqual(['10.0.1.0/24', '10.0.3.0/24']);
  });

  test('what was chosen does not move on what is given next', () => {
    const networks = make([
      {},
      { ipam: [IPAMConfig.create({ subnet: '10.0.3.0/24' })], driverOptions: { [VNI_OPTION]: '9000' } },
      {},
    ]);
    expect(subnets(networks)).toEqual(['10.0.0.0/24', '10.0.3.0/24', '10.0.1.0/24']);
    expect(networks.map(({ vni }) => vni)).toEqual([4096, 9000, 4097]);
  });

  test('goes through all pools in their order, then from the beginning', () => {
    const pools = [parseCidr('10.0.0.0/23'), parseCidr('10.8.0.0/23')];
    const next = (last: string | undefined, ...taken: string[]) => {
      const found = nextInTurn(pools, 24, taken.map(parseCidr), last === undefined ? undefined : parseCidr(last));
      return found && formatCidr(found);
    };
    expect(next(undefined)).toBe('10.0.0.0/24');
    expect(next('10.0.0.0/24')).toBe('10.0.1.0/24');
    expect(next('10.0.1.0/24')).toBe('10.8.0.0/24');
    expect(next('10.8.1.0/24')).toBe('10.0.0.0/24');
    expect(next('10.8.0.0/24', '10.8.1.0/24', '10.0.0.0/24')).toBe('10.0.1.0/24');
    expect(next('192.168.0.0/24')).toBe('10.0.0.0/24');
    expect(next('10.0.1.0/24', '10.0.0.0/23', '10.8.0.0/23')).toBeUndefined();
  });
});

describe('families', () => {
  test('a /64 of the swarm is added for IPv6, whether or not an IPv4 subnet is given', () => {
    const networks = make([
      { ipv6: true },
      { ipv6: true, ipam: [IPAMConfig.create({ subnet: '10.9.0.0/24' })] },
      { ipv6: true, disableIpv4: true },
      { ipv6: true, ipam: [IPAMConfig.create({ subnet: 'fd00:9::/64' })] },
    ]);
    const prefix = formatCidr(SOURCE.pool6).replace('::/48', '');
    expect(subnets(networks)).toEqual([
      `10.0.0.0/24 ${prefix}::/64`,
      `10.9.0.0/24 ${prefix}:1::/64`,
      `${prefix}:2::/64`,
      'fd00:9::/64 10.0.1.0/24',
    ]);
    expect(networks[2]?.ipam[0]?.gateway).toBe(`${prefix}:2::1`);
  });

  test('the pool is local, the same for the same swarm, and another for another', () => {
    expect(formatCidr(localPool('a'))).toMatch(/^fd[0-9a-f]{2}:[0-9a-f]{1,4}:[0-9a-f]{1,4}::\/48$/);
    expect(localPool('a')).toEqual(localPool('a'));
    expect(localPool('a')).not.toEqual(localPool('b'));
  });
});

test('several subnets are one network with one VNI and a gateway in each', () => {
  const ipam = ['10.9.0.0/24', '10.9.1.0/24'].map((subnet) => IPAMConfig.create({ subnet }));
  const [network] = make([{ ipam }]);
  expect(network?.ipam.map(({ gateway }) => gateway)).toEqual(['10.9.0.1', '10.9.1.1']);
});

describe('one more subnet', () => {
  const grown = (pools: readonly string[], prefix: number, own: readonly string[], last: string) => {
    const ingress = { ...testNetwork('ingress'), ipam: own.map((subnet) => IPAMConfig.create({ subnet })) };
    const source = { ...SOURCE, pools: pools.map(parseCidr), prefix };
    const occupied = { subnets: [], vnis: new Map(), hosts: [] };
    return growNetwork(ingress, occupied, source, { ...NOTHING_GIVEN, subnet: parseCidr(last) }).ipam.at(-1)?.subnet;
  };

  test('has addresses whose low 16 bits no other of the network has', () => {
    expect(grown(['10.0.0.0/8'], 24, ['10.0.0.0/24'], '10.0.255.0/24')).toBe('10.1.1.0/24');
    expect(grown(['10.0.0.0/8'], 24, ['10.0.0.0/24', '10.1.1.0/24'], '10.1.255.0/24')).toBe('10.2.2.0/24');
    expect(grown(['10.0.0.0/16', '172.16.0.0/12'], 20, ['10.0.16.0/20'], '10.0.240.0/20')).toBe('172.16.0.0/20');
  });

  test('has others when there are none of these', () => {
    expect(grown(['10.0.0.0/15'], 17, ['10.0.0.0/17', '10.0.128.0/17'], '10.0.128.0/17')).toBe('10.1.0.0/17');
    expect(grown(['10.0.0.0/8'], 15, ['10.0.0.0/15'], '10.0.0.0/15')).toBe('10.2.0.0/15');
  });
});
