import { expect, test } from 'vitest';
import { formatCidr, parseAddress, parseCidr } from './ip.js';
import { nextSubnet, Subnet, type SubnetConfig } from './ipam.js';

const subnet = (fields: Partial<SubnetConfig>) =>
  new Subnet({ subnet: '', ipRange: '', gateway: '', auxiliaryAddresses: {}, ...fields });
const take = (from: Subnet) => {
  const address = from.take();
  return address === undefined ? undefined : from.format(address);
};

test('take - gives addresses upwards, without gateway, auxiliary and broadcast addresses', () => {
  const small = subnet({ subnet: '10.0.1.0/29', gateway: '10.0.1.1', auxiliaryAddresses: { router: '10.0.1.3' } });
  const given = Array.from({ length: 5 }, () => take(small));
  expect(given).toEqual(['10.0.1.2/29', '10.0.1.4/29', '10.0.1.5/29', '10.0.1.6/29', undefined]);
  expect(small.free).toBe(0);
});

test('take - does not give a freed address again while there are others', () => {
  const small = subnet({ subnet: '10.0.1.0/29', gateway: '10.0.1.1' });
  expect([take(small), take(small)]).toEqual(['10.0.1.2/29', '10.0.1.3/29']);
  small.release(parseAddress('10.0.1.2').value);
  expect([take(small), take(small), take(small)]).toEqual(['10.0.1.4/29', '10.0.1.5/29', '10.0.1.6/29']);
  expect(take(small)).toBe('10.0.1.2/29');
});

test('take - keeps to the range, whose own base may be given', () => {
  const ranged = subnet({ subnet: '10.0.1.0/24', ipRange: '10.0.1.128/30', gateway: '10.0.1.1' });
  const given = Array.from({ length: 5 }, () => take(ranged));
  expect(given).toEqual(['10.0.1.128/24', '10.0.1.129/24', '10.0.1.130/24', '10.0.1.131/24', undefined]);
});

test('take - goes on after what was read back', () => {
  const again = subnet({ subnet: '10.0.1.0/24', gateway: '10.0.1.1' });
  again.reserve(parseAddress('10.0.1.9').value);
  again.resume();
  expect(take(again)).toBe('10.0.1.10/24');
});

test('reserve - refuses what is taken or elsewhere; outside the range it may be reserved', () => {
  const ranged = subnet({ subnet: '10.0.1.0/24', ipRange: '10.0.1.128/30', gateway: '10.0.1.1' });
  expect(ranged.reserve(parseAddress('10.0.1.1').value)).toBe(false);
  expect(ranged.reserve(parseAddress('10.0.2.5').value)).toBe(false);
  expect(ranged.reserve(parseAddress('10.0.1.50').value)).toBe(true);
  expect(ranged.reserve(parseAddress('10.0.1.50').value)).toBe(false);
  expect(ranged.free).toBe(4);
});

test('Subnet - IPv6 and point-to-point subnets', () => {
  expect(take(subnet({ subnet: 'fd00:1::/64', gateway: 'fd00:1::1' }))).toBe('fd00:1::2/64');
  const pair = subnet({ subnet: '10.0.1.0/31', gateway: '10.0.1.0' });
  expect([take(pair), take(pair)]).toEqual(['10.0.1.1/31', undefined]);
});

test('Subnet - refuses a gateway or range that is elsewhere', () => {
  expect(() => subnet({ subnet: '10.0.1.0/24', gateway: '10.0.2.1' })).toThrow(
    'address 10.0.2.1 is not a free address',
  );
  expect(() => subnet({ subnet: '10.0.1.0/24', ipRange: '10.0.0.0/16' })).toThrow('range 10.0.0.0/16 is not in');
});

test('nextSubnet - the lowest that overlaps nothing, of whatever size the others are', () => {
  const pools = [parseCidr('10.0.0.0/22'), parseCidr('10.9.0.0/24')];
  const next = (...taken: string[]) => {
    const found = nextSubnet(pools, 24, taken.map(parseCidr));
    return found && formatCidr(found);
  };
  expect(next()).toBe('10.0.0.0/24');
  expect(next('10.0.0.0/24')).toBe('10.0.1.0/24');
  expect(next('10.0.1.0/24')).toBe('10.0.0.0/24');
  expect(next('10.0.0.0/24', '10.0.1.128/25')).toBe('10.0.2.0/24');
  expect(next('10.0.0.0/23', '10.0.2.0/30', '192.168.0.0/16')).toBe('10.0.3.0/24');
  expect(next('10.0.0.0/16')).toBe('10.9.0.0/24');
  expect(next('10.0.0.0/8')).toBeUndefined();
});
