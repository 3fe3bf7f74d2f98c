import { execFileSync } from 'node:child_process';
import { totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import type { ContainerSettings } from '../../worker/executor/executor.js';
import type { OciExecutor } from '../../worker/executor/oci/index.js';
import { never, settings, sh, useGround } from './executor-fixture.js';

let executor: OciExecutor;

useGround((ground) => {
  executor = ground.executor;
});

async function running(fields: Partial<ContainerSettings>): Promise<{ id: string; pid: number }> {
  const container = settings(fields);
  await executor.prepare(container, never);
  return executor.start(container.id);
}

describe('executor - top', () => {
  it("shows the container's processes, and no others", async () => {
    const { id, pid } = await running(sh('sleep 987 & sleep 988; true'));
    await expect.poll(async () => (await executor.top(id, [])).processes.length).toBe(3);
    const { titles, processes } = await executor.top(id, []);
    expect(titles).toContain('CMD');
    expect(processes.map((fields) => fields[titles.indexOf('PID')])).toContain(String(pid));
    expect(processes.map((fields) => fields.at(-1)).sort()).toEqual([
      'sh -c sleep 987 & sleep 988; true',
      'sleep 987',
      'sleep 988',
    ]);
    expect((await executor.top(id, ['-o', 'pid,comm', '-e'])).titles).toEqual(['PID', 'COMMAND']);
    await executor.remove(id);
  });

  it('names what ps does not take', async () => {
    const { id } = await running({});
    await expect(executor.top(id, ['-o', 'comm'])).rejects.toThrow('no column PID');
    await expect(executor.top(id, ['--nonsense'])).rejects.toThrow('ps --nonsense:');
    await executor.kill(id, 'KILL');
    await executor.wait(id, never);
    await expect(executor.top(id, [])).rejects.toThrow('is not running');
    await expect(executor.usage(id)).rejects.toThrow('is not running');
    await executor.remove(id);
  });
});

describe('executor - usage', () => {
  it('counts CPU time, memory, processes', async () => {
    const memoryBytes = 256 * 2 ** 20;
    const resources = { nanoCpus: 0, memoryBytes, memorySwapBytes: 0, pids: 0 };
    // The file is cache, which is not counted.
    const script =
      'dd if=/dev/zero of=/f bs=1M count=30; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 1000; true';
    const { id } = await running({ ...sh(script), resources });
    await expect.poll(async () => (await executor.usage(id)).cpuNs, { timeout: 10_000 }).toBeGreaterThan(1e8);
    await expect.poll(async () => (await executor.usage(id)).pids, { timeout: 10_000 }).toBe(2);
    const first = await executor.usage(id);
    expect(first.memoryLimitBytes).toBe(memoryBytes);
    expect(first.memoryBytes).toBeGreaterThan(0);
    expect(first.memoryBytes).toBeLessThan(30 * 2 ** 20);
    const second = await executor.usage(id);
    expect(second.readAtNs > first.readAtNs).toBe(true);
    expect(second.cpuNs).toBeGreaterThanOrEqual(first.cpuNs);
    await executor.remove(id);
  });

  it('counts what goes through interfaces of its own', async () => {
    const name = `executor-usage-${process.pid}`;
    execFileSync('ip', ['netns', 'add', name]);
    const inside = (...args: string[]) => execFileSync('ip', ['netns', 'exec', name, ...args]);
    try {
      for (const link of ['a', 'b'])
        inside('ip', 'link', 'add', `${link}0`, 'type', 'veth', 'peer', 'name', `${link}1`);
      inside('ip', 'address', 'add', '192.0.2.1/24', 'dev', 'a0');
      for (const link of ['lo', 'a0', 'a1', 'b0', 'b1']) inside('ip', 'link', 'set', link, 'up');
      const { id, pid } = await running({ networkNamespace: `/run/netns/${name}` });
      const all = JSON.parse(inside('ip', '-j', '-s', 'link').toString()) as {
        ifname: string;
        stats64: { rx: { bytes: number }; tx: { bytes: number } };
      }[];
      const sent = all.filter(({ ifname }) => ifname !== 'lo').reduce((sum, { stats64 }) => sum + stats64.tx.bytes, 0);
      const { networkSentBytes, memoryLimitBytes } = await executor.usage(id);
      expect(networkSentBytes).toBeGreaterThanOrEqual(sent);
      expect(networkSentBytes).toBeGreaterThan(0);
      expect(memoryLimitBytes).toBe(totalmem());
      expect(pid).toBeGreaterThan(0);
      await executor.remove(id);
      const host = await running({});
      expect((await executor.usage(host.id)).networkSentBytes).toBe(0);
      await executor.remove(host.id);
    } finally {
      execFileSync('ip', ['netns', 'del', name]);
    }
  });
});
