import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { inThrowAwayNamespace, NetNamespace } from '../../netlb/kernel/namespace.js';
import { Rulesets } from '../../netlb/trace/rulesets.js';

/** Has this in the place of nft(8). */
function fakeNft(output: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'tsswarm-nft-'));
  const path = process.env.PATH;
  onTestFinished(() => {
    process.env.PATH = path;
    rmSync(folder, { recursive: true });
  });
  writeFileSync(join(folder, 'nft'), `#!/bin/sh\nprintf '%s' '${output}'\n`, { mode: 0o755 });
  process.env.PATH = `${folder}:${path}`;
}

test('rule sets - of a namespace without any', async () => {
  const read = inThrowAwayNamespace((namespace) => new Rulesets().of(namespace));
  expect(await read).toEqual([]);
});

// Whoever is root in a container chooses the words in its rules.
test.each(['', 'null', '{"nftables": [', '{}'])('rule sets - what nft says is no list: %s', async (output) => {
  fakeNft(output);
  await expect(new Rulesets().of(NetNamespace.self())).rejects.toThrow('nft');
});
