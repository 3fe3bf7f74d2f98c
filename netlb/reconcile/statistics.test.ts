import { expect, test } from 'vitest';
import { balancedPorts } from './statistics.js';

test('statistics - addresses are found as the kernel writes them, and shown as they were asked for', () => {
  const port = { protocol: 'tcp', published: 8080, target: 80 } as const;
  const ports = [
    { ...port, hostAddress: '192.0.2.1', backends: [] },
    { ...port, hostAddress: 'FD00:0::5', backends: [{ address: 'FD00:1:0::9', weight: 1 }] },
    { ...port, hostAddress: 'eth0', backends: [{ address: 'nobody', weight: 1 }] },
  ];
  const counters = { active: 1, connections: 2, packetsIn: 3, bytesIn: 4, packetsOut: 5, bytesOut: 6 };
  const entries = new Map([['fd00::5 . 6 . 8080', 65_534]]);
  const [, found, wrong] = balancedPorts(ports, entries, ({ published }, address) =>
    published === 65_534 && address === 'fd00:1::9' ? counters : undefined,
  );
  expect(found).toMatchObject({ hostAddress: 'FD00:0::5', backends: [{ address: 'FD00:1:0::9', ...counters }] });
  expect(wrong).toMatchObject({ hostAddress: 'eth0', backends: [{ address: 'nobody', connections: 0 }] });
});
