import { expect, test } from 'vitest';
import { sysctlPath } from './sysctl.js';

test.each([
  ['net.ipv4.ip_forward', '/proc/sys/net/ipv4/ip_forward'],
  ['net.ipv4.conf.eth0/100.rp_filter', '/proc/sys/net/ipv4/conf/eth0.100/rp_filter'],
  ['net/ipv4/conf/eth0.100/rp_filter', '/proc/sys/net/ipv4/conf/eth0.100/rp_filter'],
])('sysctlPath - %s', (key, path) => {
  expect(sysctlPath(key)).toBe(path);
});
