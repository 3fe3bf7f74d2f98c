import { describe, expect, it } from 'vitest';
import { parseAnswer } from './conmon.js';
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

describe("conmon's answer", () => {
  it('has a process or a reason', () => {
    expect(parseAnswer('{"data": 42}\n')).toBe(42);
    expect(parseAnswer('[conmon:w]: slow\n{"data": 42}\n')).toBe(42);
    expect(() => parseAnswer('{"data": -1, "message": "no such thing"}')).toThrow('no such thing');
    expect(() => parseAnswer('conmon: unknown option')).toThrow('conmon failed: conmon: unknown option');
    expect(() => parseAnswer('{garbage}')).toThrow('cannot create the container');
    expect(() => parseAnswer('')).toThrow('conmon failed: it said nothing');
  });
});
