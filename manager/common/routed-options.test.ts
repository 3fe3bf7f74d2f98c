import { expect, test } from 'vitest';
import { IPAMConfig, NetworkSpec } from '../../proto/gen/index.js';
import { checkNetworkSpec } from '../control/validate/network.js';
import { VNI_OPTION } from './overlay-options.js';
import { partitionOf } from './routed-options.js';

const spec = (subnet: string, driverOptions: Record<string, string> = {}, fields: Partial<NetworkSpec> = {}) =>
  NetworkSpec.create({
    name: 'net',
    driver: 'routed',
    driverOptions,
    ipam: subnet === '' ? [] : [IPAMConfig.create({ subnet })],
    ...fields,
  });

test.each([
  ['10.1.0.0/16', {}, 24],
  ['10.1.0.0/22', {}, 24],
  ['10.1.0.0/23', {}, 25],
  ['10.1.0.0/27', {}, 29],
  ['10.1.0.0/28', { 'subnet-length': '29' }, 29],
  ['10.0.0.0/8', { 'subnet-length': '20', backend: 'host-gw' }, 20],
])('subnet %s with %j - has nodes’ parts of /%i', (subnet, options, length) => {
  checkNetworkSpec(spec(subnet, options));
  expect(partitionOf(spec(subnet, options)).length).toBe(length);
});

test.each<[string, NetworkSpec, string]>([
  ['no subnet', spec(''), 'routed network net needs one subnet'],
  ['two', spec('', {}, { ipam: ['10.1.0.0/16', '10.2.0.0/16'].map((subnet) => IPAMConfig.create({ subnet })) }), 'one'],
  ['too small', spec('10.1.0.0/28'), 'subnet 10.1.0.0/28 is too small to be parted among nodes'],
  ['no part', spec('10.1.0.0/16', { 'subnet-length': '16' }), '"16" is not the length of a node\'s subnet'],
  ['no room', spec('10.1.0.0/16', { 'subnet-length': '30' }), '"30" is not the length'],
  ['no number', spec('10.1.0.0/16', { 'subnet-length': 'x' }), '"x" is not the length'],
  [
    'a gateway',
    spec('', {}, { ipam: [IPAMConfig.create({ subnet: '10.1.0.0/16', gateway: '10.1.0.9' })] }),
    '"10.1.0.9"',
  ],
  ['IPv6', spec('10.1.0.0/16', {}, { ipv6: true }), 'routed networks have IPv4 only in this version'],
  ['ingress', spec('10.1.0.0/16', {}, { ingress: true }), 'the ingress network is an overlay'],
  ['udp', spec('10.1.0.0/16', { backend: 'udp' }), 'backend "udp" is not supported by this version'],
  ['no backend', spec('10.1.0.0/16', { backend: 'ipip' }), '"ipip" is not a backend of routed networks'],
  ['an option', spec('10.1.0.0/16', { encrypted: '' }), '"encrypted" is not an option of routed networks'],
  ['MTU', spec('10.1.0.0/16', { 'com.docker.network.driver.mtu': '20' }), '"20" is not an MTU'],
  ['VNI', spec('10.1.0.0/16', { backend: 'host-gw', [VNI_OPTION]: '7' }), 'has no VXLAN network identifier'],
])('refused: %s', (_what, asked, message) => {
  expect(() => checkNetworkSpec(asked)).toThrow(message);
});
