import { expect, it } from 'vitest';
import { ensureDaemon } from './start-daemon.js';
import { testIo } from './testing.js';

it('ensureDaemon - starts none in place of a lab’s that TSSWARM_LAB asks for', async () => {
  const said: string[] = [];
  const io = testIo({ env: { TSSWARM_LAB: 'not-there' }, err: (text) => void said.push(String(text)) });
  await expect(ensureDaemon(io, undefined)).rejects.toThrow('no daemon of the lab "not-there" answers');
  expect(said).toEqual([]);
});
