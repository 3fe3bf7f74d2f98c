import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Holders } from './holders.js';

const ID = `sha256:${'a'.repeat(64)}`;
let folder: string;
let holders: Holders;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tsswarm-holders-'));
  holders = new Holders(join(folder, 'holders'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

/** The folder of a container, as far as holders look at it. */
async function container(name: string): Promise<string> {
  const path = join(folder, name);
  await mkdir(path);
  return path;
}

describe('holders', () => {
  it('hold only what is open', async () => {
    const holder = await container('one');
    expect(await holders.add(ID, holder)).toBe(false);
    await holders.open(ID);
    expect(await holders.add(ID, holder)).toBe(true);
    expect(await holders.add(ID, holder)).toBe(true);
    expect(await holders.count(ID)).toBe(1);
    expect(await holders.close(ID)).toBe(false);
    await holders.drop(holder);
    expect(await holders.close(ID)).toBe(true);
    expect(await holders.add(ID, holder)).toBe(false);
    expect(await holders.close(ID)).toBe(true);
  });

  it('let go when the container is deleted by other means', async () => {
    const holder = await container('one');
    await holders.open(ID);
    await holders.add(ID, holder);
    await rm(holder, { recursive: true });
    expect(await holders.count(ID)).toBe(0);
    expect(await holders.close(ID)).toBe(true);
  });

  it('are never closed and held at once, whoever comes first', async () => {
    const holder = await container('one');
    for (let round = 0; round < 50; round++) {
      await holders.open(ID);
      const [held, closed] = await Promise.all([holders.add(ID, holder), holders.close(ID)]);
      expect(held).toBe(!closed);
      await holders.drop(holder);
    }
  });
});
