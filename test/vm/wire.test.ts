import { expect, test } from 'vitest';
import { frame, Unframer } from './wire.js';

test('wire - messages come out whole and in order, however their bytes are cut', () => {
  const messages = [{ text: 'grüezi' }, undefined, new Map([['a', [1n]]]), new Error('no')];
  const bytes = Buffer.concat(messages.map(frame));
  for (let size = 1; size <= bytes.length; size++) {
    const unframer = new Unframer();
    const seen: unknown[] = [];
    for (let at = 0; at < bytes.length; at += size) seen.push(...unframer.push(bytes.subarray(at, at + size)));
    expect(seen).toEqual(messages);
  }
});
