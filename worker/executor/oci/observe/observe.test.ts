import { describe, expect, it } from 'vitest';
import { passiveOpens, unifiedCpuNs } from './load.js';
import { parseProcesses } from './top.js';
import { legacyUsage, parseNetDev, unifiedUsage } from './usage.js';

const from = (files: Record<string, string>) => async (controller: string, file: string) =>
  files[controller === '' ? file : `${controller}/${file}`] ?? '';

describe('top - table of ps', () => {
  const text = `UID        PID  PPID  C STIME TTY          TIME CMD
root         1     0  0 Jan01 ?        00:00:01 /sbin/init
root        42    40  0 12:00 ?        00:00:00 sh -c  sleep 1;  true
web         43    42  0 12:00 pts/0    00:00:00 sleep 1
`;

  it('has the lines of the given processes, the last column whole', () => {
    const { titles, processes } = parseProcesses(text, new Set(['42', '43']));
    expect(titles).toEqual(['UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD']);
    expect(processes).toEqual([
      ['root', '42', '40', '0', '12:00', '?', '00:00:00', 'sh -c sleep 1; true'],
      ['web', '43', '42', '0', '12:00', 'pts/0', '00:00:00', 'sleep 1'],
    ]);
  });

  it('is refused without process ids', () => {
    expect(() => parseProcesses('COMMAND\ninit\n', new Set(['1']))).toThrow('no column PID');
  });
});

describe('load - counters', () => {
  it('of CPU time, version 2', () => {
    expect(unifiedCpuNs('usage_usec 2500\nuser_usec 2000\n')).toBe(2_500_000);
    expect(unifiedCpuNs('')).toBe(0);
  });

  it('of connections that came in', () => {
    const text = `Ip: Forwarding DefaultTTL
Ip: 1 64
Tcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens PassiveOpens AttemptFails
Tcp: 1 200 120000 -1 7 42 3
Udp: InDatagrams
Udp: 5
`;
    expect(passiveOpens(text)).toBe(42);
    expect(passiveOpens('')).toBe(0);
  });
});

describe('usage - counters', () => {
  it('of version 2', async () => {
    const files = {
      'cpu.stat': 'usage_usec 2500\nuser_usec 2000\n',
      'memory.current': '10485760\n',
      'memory.stat': 'anon 4194304\ninactive_file 1048576\n',
      'memory.max': 'max\n',
      'pids.current': '3\n',
      'io.stat': '8:0 rbytes=100 wbytes=20 rios=1 wios=1 dbytes=7 dios=0\n8:16 rbytes=1 wbytes=2 rios=1 wios=1\n',
    };
    expect(await unifiedUsage(from(files))).toEqual({
      ...{ cpuNs: 2_500_000, memoryBytes: 9_437_184, limit: Number.POSITIVE_INFINITY, pids: 3 },
      ...{ blockReadBytes: 101, blockWriteBytes: 22 },
    });
    expect((await unifiedUsage(from({ ...files, 'memory.max': '1000\n' }))).limit).toBe(1000);
  });

  it('of version 1, and what is not counted', async () => {
    const files = {
      'cpuacct/cpuacct.usage': '2500000\n',
      'memory/memory.usage_in_bytes': '10485760\n',
      'memory/memory.stat': 'inactive_file 5\ntotal_inactive_file 1048576\n',
      'memory/memory.limit_in_bytes': '67108864\n',
      'pids/pids.current': '3\n',
      'blkio/blkio.throttle.io_service_bytes': '8:0 Read 100\n8:0 Write 20\n8:0 Total 120\n8:16 Read 1\nTotal 121\n',
    };
    expect(await legacyUsage(from(files))).toEqual({
      ...{ cpuNs: 2_500_000, memoryBytes: 9_437_184, limit: 67_108_864, pids: 3 },
      ...{ blockReadBytes: 101, blockWriteBytes: 20 },
    });
    expect(await legacyUsage(from({}))).toMatchObject({ cpuNs: 0, memoryBytes: 0, pids: 0, blockReadBytes: 0 });
  });

  it('of all interfaces but loopback', () => {
    const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    9000       1    0    0    0     0          0         0     9000       1    0    0    0     0       0          0
  eth0:    1000       1    0    0    0     0          0         0      200       1    0    0    0     0       0          0
  eth1:10       1    0    0    0     0          0         0        2       1    0    0    0     0       0          0
`;
    expect(parseNetDev(text)).toEqual({ received: 1010, sent: 202 });
    expect(parseNetDev('')).toEqual({ received: 0, sent: 0 });
  });
});
