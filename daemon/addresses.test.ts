import { isIP } from 'node:net';
import { describe, expect, test } from 'vitest';
import { chooseAddress, formatHostPort, type Machine, parseHostPort } from './addresses.js';

const machine = (interfaces: Readonly<Record<string, readonly string[]>>, ...defaultInterfaces: string[]): Machine => ({
  addresses: Object.entries(interfaces).flatMap(([name, addresses]) =>
    addresses.map((address) => ({ name, address, family: isIP(address) === 6 ? (6 as const) : (4 as const) })),
  ),
  defaultInterfaces,
});
const FLAG = '--advertise-addr';

describe('chooseAddress', () => {
  test('nothing given - the IPv4 address of the default route', () => {
    const m = machine({ eth0: ['192.168.0.5', 'fd00::5'], docker0: ['172.17.0.1'] }, 'eth0');
    expect(chooseAddress('', 2377, m, FLAG)).toEqual({ host: '192.168.0.5', port: 2377 });
  });

  test('nothing given, no default route - the only address', () => {
    expect(chooseAddress('', 2377, machine({ eth0: ['203.0.113.1'] }), FLAG).host).toBe('203.0.113.1');
  });

  test('nothing given, several candidates - they are listed', () => {
    const m = machine({ eth0: ['192.168.0.5', '192.168.1.5'], eth1: ['10.0.0.5'] }, 'eth0', 'eth1');
    expect(() => chooseAddress('', 2377, m, FLAG)).toThrow(
      'could not choose an IP address to advertise since this system has multiple addresses: 192.168.0.5 on eth0, 192.168.1.5 on eth0, 10.0.0.5 on eth1',
    );
  });

  test('nothing given, no address - said so', () => {
    expect(() => chooseAddress('', 2377, machine({}), FLAG)).toThrow('could not find an address');
  });

  test('an address, with and without port', () => {
    const m = machine({ eth0: ['192.168.0.5'] });
    expect(chooseAddress('192.168.0.5', 2377, m, FLAG)).toEqual({ host: '192.168.0.5', port: 2377 });
    expect(chooseAddress('192.168.0.5:4000', 2377, m, FLAG)).toEqual({ host: '192.168.0.5', port: 4000 });
  });

  test('an address of another machine - refused', () => {
    const m = machine({ eth0: ['192.168.0.5'] });
    expect(() => chooseAddress('192.168.0.6', 2377, m, FLAG)).toThrow('192.168.0.6 is not an address of this machine');
  });

  test('the name of an interface, with and without port', () => {
    const m = machine({ eth0: ['192.168.0.5', 'fd00::5'], eth1: ['10.0.0.5', '10.0.0.6'] });
    expect(chooseAddress('eth0:99', 2377, m, FLAG)).toEqual({ host: '192.168.0.5', port: 99 });
    expect(() => chooseAddress('eth1', 2377, m, FLAG)).toThrow(
      'interface eth1 has more than one address: 10.0.0.5, 10.0.0.6',
    );
    expect(() => chooseAddress('eth7', 2377, m, FLAG)).toThrow(
      '"eth7" is neither an IP address nor an interface with one',
    );
  });
});

test.each([
  ['0.0.0.0:2377', '0.0.0.0', 2377],
  ['host', 'host', 1],
  ['[::1]:80', '::1', 80],
  ['fd00::5', 'fd00::5', 1],
])('parseHostPort - %s', (text, host, port) => {
  expect(parseHostPort(text, 1)).toEqual({ host, port });
});

test.each(['', 'a:b', 'a:70000', 'a:0', 'a b', ':80'])('parseHostPort - "%s" is refused', (text) => {
  expect(() => parseHostPort(text, 1)).toThrow(`"${text}" is not an address`);
});

test('formatHostPort - IPv6 is put in brackets', () => {
  expect(formatHostPort({ host: '::1', port: 80 })).toBe('[::1]:80');
  expect(formatHostPort({ host: '10.0.0.1', port: 80 })).toBe('10.0.0.1:80');
});
