import { expect, test } from 'vitest';
import { crc32c } from './crc32c.js';

test('crc32c - the vectors of RFC 3720, B.4', () => {
  const ascending = Uint8Array.from({ length: 32 }, (_, i) => i);
  const readCommand = Buffer.from(
    '01c00000000000000000000000000000140000000000040000000014000000182800000000000000' + '0200000000000000',
    'hex',
  );
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
  expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
  expect(crc32c(ascending)).toBe(0x46dd794e);
  expect(crc32c(ascending.toReversed())).toBe(0x113fdb5c);
  expect(crc32c(readCommand)).toBe(0xd9963a56);
});

test('crc32c - lengths that are no multiple of eight, at any alignment', () => {
  expect(crc32c(new Uint8Array(0))).toBe(0);
  const padded = Buffer.from('-----123456789');
  expect(crc32c(padded.subarray(5))).toBe(0xe3069283);
  expect(crc32c(padded.subarray(5, 6))).toBe(0x90f599e3);
});
