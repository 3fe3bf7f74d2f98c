import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { features } from '../../netlb/features.js';
import { NetNamespace } from '../../netlb/kernel/namespace.js';
import { LOOPBACK_INDEX, newAddress, RouteSocket } from '../../netlb/kernel/rtnetlink.js';
import { writeSysctl } from '../../netlb/kernel/sysctl.js';
import { type FeatureReport, probeFeatures } from '../../netlb/probe.js';
import { descriptorsLeakedBy } from './kernel-scratch.js';

const output = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: 'utf8' });
const byName = (reports: readonly FeatureReport[]) => new Map(reports.map((report) => [report.name, report]));

test('probeFeatures - says what standard tools say too', () => {
  const reports = byName(probeFeatures());
  const runs = (script: string) => {
    try {
      execFileSync('unshare', ['--net', 'sh', '-ec', script], { stdio: 'ignore' });
      return true;
    } catch {
      return false;
    }
  };
  const tools: Record<string, string> = {
    bridge: 'ip link add probe type bridge',
    veth: 'ip link add probe type veth',
    vxlan: 'ip link add probe type vxlan id 1 dstport 4789',
    'nftables nat': "nft 'add table ip t; add chain ip t c { type nat hook prerouting priority -100; }'",
    'nftables netdev egress':
      "nft 'add table netdev t; add chain netdev t c { type filter hook egress device lo priority 0; }'",
    ipv6: 'ip link set lo up; ip -6 address add fd00::1/128 dev lo',
    esp: `ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 mode transport \
      aead 'rfc4106(gcm(aes))' 0x0707070707070707070707070707070707070707 64`,
  };
  for (const [name, script] of Object.entries(tools))
    expect([name, reports.get(name)?.available]).toEqual([name, runs(script)]);
  for (const report of reports.values()) {
    expect(report.meaning).toMatch(/\.$/);
    expect(report.detail).not.toBe('');
    expect(report.remedy === '').toBe(report.available);
  }
});

test('probeFeatures - tells a node without IPv6, or without an address of it, what does not work', () => {
  const home = NetNamespace.createUnnamed();
  const other = NetNamespace.createUnnamed();
  onTestFinished(() => {
    for (const namespace of [home, other]) namespace.close();
  });
  const attempt = (name: string, namespace: NetNamespace) => {
    const feature = features.find((one) => one.name === name);
    return () => feature?.attempt({ namespace, other, home });
  };
  expect(attempt('ipv6 address', other)).toThrow('no interface of this node has a global IPv6 address');
  const socket = new RouteSocket(home);
  onTestFinished(() => socket.close());
  socket.apply(newAddress({ index: LOOPBACK_INDEX, cidr: 'fe80::1/64' }));
  expect(attempt('ipv6 address', other)).toThrow('no interface');
  socket.apply(newAddress({ index: LOOPBACK_INDEX, cidr: '2001:db8::7/64' }));
  expect(attempt('ipv6 address', other)()).toBe('this node has 2001:db8::7/64');
  // As ipv6.disable=1 does for all interfaces.
  writeSysctl(other, 'net.ipv6.conf.lo.disable_ipv6', 1);
  expect(attempt('ipv6', other)).toThrow(/EACCES|EPERM|EOPNOTSUPP/);
});

test('probeFeatures - leaves nothing behind', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tsswarm-kernel-'));
  vi.stubEnv('TMPDIR', directory);
  try {
    expect(descriptorsLeakedBy(probeFeatures)).toBe(0);
    expect(readdirSync(directory)).toEqual([]);
    expect(output('findmnt', '-n', '-o', 'TARGET')).not.toContain(directory);
    expect(output('ip', '-br', 'link')).not.toContain('probe-');
    expect(output('nft', 'list', 'tables')).not.toContain('probe_');
  } finally {
    vi.unstubAllEnvs();
    rmSync(directory, { recursive: true });
  }
});

test('probeFeatures - without root it says so, and that nothing else was tried', () => {
  process.seteuid?.(65534);
  let reports: FeatureReport[];
  try {
    reports = probeFeatures();
  } finally {
    process.seteuid?.(0);
  }
  expect(reports[0]).toMatchObject({ name: 'root', available: false, required: true });
  expect(reports[0]?.detail).toContain('make network namespace: Operation not permitted (EPERM)');
  expect(reports[0]?.remedy).toContain('root');
  expect(new Set(reports.slice(1).map(({ detail }) => detail))).toEqual(new Set(['not tried: it takes root']));
});
