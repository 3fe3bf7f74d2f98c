import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ContainerSettings } from '../../worker/executor/executor.js';
import { type Ground, leftovers, never, openGround, settings, sh } from './executor-fixture.js';

let ground: Ground;

beforeAll(async () => {
  ground = await openGround();
});

afterAll(async () => {
  await ground.close();
  expect(leftovers(ground)).toEqual([]);
});

const all = { follow: false, tail: undefined, since: 0, until: 0, stdout: true, stderr: true };

/** Runs to the end and gives exit and output. */
async function run(fields: Partial<ContainerSettings>): Promise<{ code: number; oomKilled: boolean; output: string }> {
  const { executor } = ground;
  const container = settings(fields);
  await executor.prepare(container, never);
  await executor.start(container.id);
  const { code, oomKilled } = await executor.wait(container.id, never);
  let output = '';
  for await (const line of executor.logs(container.id, all, never)) output += Buffer.from(line.data).toString();
  await executor.remove(container.id);
  return { code, oomKilled, output };
}

describe('executor - run', () => {
  it('runs a command and keeps its output and exit code', async () => {
    const result = await run(sh('echo out; echo err >&2; exit 7'));
    expect(result.code).toBe(7);
    expect(result.output.split('\n').sort()).toEqual(['', 'err', 'out']);
  });
});
