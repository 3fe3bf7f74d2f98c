import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { execUnderMonitor } from './exec.js';
import { Runtime } from './runtime.js';

const none = { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] };
const command = {
  terminal: false,
  user: { uid: 0, gid: 0, additionalGids: [] },
  args: ['true'],
  env: ['SECRET=x'],
  cwd: '/',
  capabilities: none,
  rlimits: [],
  noNewPrivileges: true,
};

test('exec - leaves no folder behind when it cannot begin', async () => {
  const root = await mkdtemp(join(tmpdir(), 'tsswarm-exec-'));
  const path = process.env.PATH;
  onTestFinished(async () => {
    process.env.PATH = path;
    await rm(root, { recursive: true });
  });
  const bundle = join(root, 'one');
  const runtime = new Runtime({ name: 'none', program: '/bin/false', createPrefix: [] }, root);
  const options = { id: 'box', bundle, runtime, process: command, input: false, timeoutMs: undefined };
  process.env.PATH = root;
  await expect(execUnderMonitor(options)).rejects.toThrow('conmon is not installed');
  expect(existsSync(bundle)).toBe(false);
});
