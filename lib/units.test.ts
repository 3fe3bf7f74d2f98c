import { describe, expect, it } from 'vitest';
import { parseBytes, parseCpus, parseDuration } from './units.js';

describe('units - durations', () => {
  it.each([
    ['0', 0],
    ['10s', 10e9],
    ['1m30s', 90e9],
    ['1.5h', 5400e9],
    ['250ms', 250e6],
    ['7us', 7e3],
  ])('%s', (text, nanoseconds) => expect(parseDuration(text)).toBe(nanoseconds));

  it.each(['', '10', '10 s', 's', '-1s', '1d', '10sx'])('refuses "%s" and names it', (text) => {
    expect(() => parseDuration(text)).toThrow(`"${text}" is not a duration`);
  });
});

describe('units - sizes', () => {
  it.each([
    ['1024', 1024],
    ['64m', 64 * 2 ** 20],
    ['1.5GiB', 1.5 * 2 ** 30],
    ['10KB', 10240],
    ['5b', 5],
  ])('%s', (text, bytes) => expect(parseBytes(text)).toBe(bytes));

  it.each(['', 'm', '-5m', '5x', '5ib', '1 2m'])('refuses "%s" and names it', (text) => {
    expect(() => parseBytes(text)).toThrow(`"${text}" is not a size`);
  });
});

describe('units - CPUs', () => {
  it.each([
    ['0.5', 5e8],
    ['2', 2e9],
    ['.5', 5e8],
    ['0.000000001', 1],
  ])('%s', (text, nanoCpus) => expect(parseCpus(text)).toBe(nanoCpus));

  it.each(['', '-1', '1e3', 'two', '0.0000000001'])('refuses "%s" and names it', (text) => {
    expect(() => parseCpus(text)).toThrow(`"${text}" is not a number of CPUs`);
  });
});
