import { Readable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { startFailureCode } from '../../start-failure.js';
import { Answers } from './conmon.js';
import { runtimeWords } from './runtime.js';

describe('words of a runtime', () => {
  it.each([
    [
      'executable file `nope` not found in $PATH: No such file or directory\n',
      'executable file `nope` not found in $PATH: No such file or directory',
    ],
    ['2026-01-01T00:00:00.000Z: cgroups in hybrid mode not supported', 'cgroups in hybrid mode not supported'],
    [
      'time="2026-01-01T00:00:00Z" level=error msg="runc create failed: exec: \\"nope\\": not found"',
      'exec: "nope": not found',
    ],
  ])('%s', (text, words) => {
    expect(runtimeWords(text)).toBe(words);
  });
});

describe('exit code by the words', () => {
  it.each([
    ['executable file `nope` not found in $PATH: No such file or directory', 127],
    ['exec: "nope": executable file not found in $PATH', 127],
    ['open executable: Permission denied', 126],
    ['exec format error', 126],
  ])('%s', (words, code) => {
    expect(startFailureCode(words)).toBe(code);
  });
});

describe("conmon's answer", () => {
  const answers = (text: string) => new Answers(Readable.from([text]));

  it('has a number, and words when it could not', async () => {
    const all = answers('{"data": 42}\n[conmon:w]: slow\n{"data": -1, "message": "no such thing"}\n');
    expect(await all.next()).toEqual({ number: 42, words: '' });
    expect(await all.next()).toEqual({ number: -1, words: 'no such thing' });
    await expect(all.next()).rejects.toThrow('conmon failed: [conmon:w]: slow');
  });

  it.each([
    ['conmon: unknown option', 'conmon failed: conmon: unknown option'],
    ['{garbage}', "conmon failed: conmon's answer is not JSON"],
    ['', 'conmon failed: it said nothing'],
  ])('is missing: %s', async (text, words) => {
    await expect(answers(text).next()).rejects.toThrow(words);
  });
});
