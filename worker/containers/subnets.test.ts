import { describe, expect, it } from 'vitest';
import { formatCidr, parseCidr } from '../../lib/ip.js';
import { IPAMConfig } from '../../proto/gen/index.js';
import { type Claim, chooseSubnets, freeSubnet } from './subnets.js';

const claim = (cidr: string, owner = 'somebody'): Claim => ({ cidr: parseCidr(cidr), owner });
const id = 'ab12cd34ef56'.padEnd(64, '0');
const choose = (ipam: Partial<IPAMConfig>[], claims: Claim[] = [], ipv6 = false) =>
  chooseSubnets({ id, ipam: ipam.map((config) => IPAMConfig.create(config)), ipv4: true, ipv6 }, claims);

describe('subnets - left open', () => {
  it("are the first of Docker's pools that nobody has", () => {
    expect(formatCidr(freeSubnet([]))).toBe('172.17.0.0/16');
    expect(formatCidr(freeSubnet([claim('172.17.0.0/16'), claim('172.18.3.0/24')]))).toBe('172.19.0.0/16');
    expect(formatCidr(freeSubnet([claim('172.16.0.0/12')]))).toBe('192.168.0.0/20');
    expect(formatCidr(freeSubnet([claim('172.16.0.0/12'), claim('192.168.1.0/24')]))).toBe('192.168.16.0/20');
  });

  it('are refused when all are taken', () => {
    expect(() => freeSubnet([claim('172.16.0.0/12'), claim('192.168.0.0/16')])).toThrow('no subnet is free');
  });

  it('get a gateway, and of IPv6 a prefix of their own', () => {
    expect(choose([], [], true)).toMatchObject([
      { subnet: '172.17.0.0/16', gateway: '172.17.0.1' },
      { subnet: 'fdab:12cd:34ef::/64', gateway: 'fdab:12cd:34ef::1' },
    ]);
  });
});

describe('subnets - given', () => {
  it('are taken as they are, with the gateway asked for or the first address that is free', () => {
    expect(choose([{ subnet: '10.9.0.0/24' }])).toMatchObject([{ subnet: '10.9.0.0/24', gateway: '10.9.0.1' }]);
    expect(choose([{ subnet: '10.9.0.0/24', gateway: '10.9.0.254' }])).toMatchObject([{ gateway: '10.9.0.254' }]);
    const auxiliaryAddresses = { router: '10.9.0.1' };
    expect(choose([{ subnet: '10.9.0.0/24', auxiliaryAddresses }])).toMatchObject([{ gateway: '10.9.0.2' }]);
    expect(choose([{ subnet: '10.9.0.0/24', ipRange: '10.9.0.128/25' }])).toMatchObject([{ gateway: '10.9.0.128' }]);
  });

  it('that overlap are refused with the owner', () => {
    expect(() => choose([{ subnet: '10.9.0.0/24' }], [claim('10.9.0.0/16', 'the route of tun0')])).toThrow(
      'subnet 10.9.0.0/24 overlaps 10.9.0.0/16 of the route of tun0',
    );
  });

  it('of a family that the network has not, or has already, are refused', () => {
    expect(() => choose([{ subnet: 'fd00:9::/64' }])).toThrow('which the network is not to have');
    expect(() => choose([{ subnet: '10.9.0.0/24' }, { subnet: '10.8.0.0/24' }])).toThrow('one subnet of each family');
  });

  it('with parts outside of them are refused', () => {
    expect(() => choose([{ subnet: '10.9.0.0/24', gateway: '10.8.0.1' }])).toThrow('outside of subnet');
    expect(() => choose([{ subnet: '10.9.0.5/24' }])).toThrow('bits set outside');
    expect(() => choose([{ gateway: '10.9.0.1' }])).toThrow('without the subnet');
  });
});
