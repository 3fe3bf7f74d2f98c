import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, mkdirSync, openSync, readSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Runtime } from './runtime.js';

let root: string;
let fifo: string;
let runtime: Runtime;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tsswarm-runtime-'));
  // Its command always fails: what succeeds was done without it.
  runtime = new Runtime({ name: 'false', program: '/bin/false', createPrefix: [] }, root);
  mkdirSync(runtime.folder('one'));
  fifo = join(runtime.folder('one'), 'exec.fifo');
});

afterEach(() => rm(root, { recursive: true, force: true }));

describe('runtime - start', () => {
  it('releases a process that waits for a byte', async () => {
    execFileSync('mkfifo', [fifo]);
    const waiting = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      await runtime.start('one');
      expect(readSync(waiting, Buffer.alloc(8))).toBe(1);
      expect(existsSync(fifo)).toBe(false);
    } finally {
      closeSync(waiting);
    }
  });

  it('is left to the command when nobody reads the fifo, and when there is none', async () => {
    await expect(runtime.start('one')).rejects.toThrow('exit code 1');
    execFileSync('mkfifo', [fifo]);
    await expect(runtime.start('one')).rejects.toThrow('exit code 1');
    expect(existsSync(fifo)).toBe(true);
  });
});

describe('runtime - forget', () => {
  it('leaves nothing, and finds nothing to do the second time', async () => {
    await runtime.forget('one');
    await runtime.forget('one');
    expect(existsSync(runtime.folder('one'))).toBe(false);
  });
});
