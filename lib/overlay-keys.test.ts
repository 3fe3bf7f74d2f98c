import { describe, expect, test } from 'vitest';
import { directionKey, spisCollide, spisOf } from './overlay-keys.js';

const groupKey = Uint8Array.from({ length: 32 }, (_, i) => i);
const [a, b] = ['192.0.2.1', '192.0.2.2'] as const;

/** Made by another implementation (Python's hmac, RFC 5869 written out). */
describe('derivation', () => {
  test('each direction of a pair has its own key and salt', () => {
    expect(directionKey(groupKey, a, b).toString('hex')).toBe('bc8cd066a4a23b9a7fd72be2afe06c242467a963');
    expect(directionKey(groupKey, b, a).toString('hex')).toBe('b9d8a2aa40dbc38c856cd1b0377582723d02b287');
  });

  test('no two senders have the same SPI', () => {
    const spi = spisOf(groupKey);
    expect(spi(a)).toBe(0x861fb6f4);
    expect(spi(b)).toBe(0x861fb6f7);
  });

  test('what is no IPv4 address is refused', () => {
    expect(() => directionKey(groupKey, 'fd00::1', b)).toThrow('"fd00::1" is not an IPv4 address');
    expect(() => spisOf(groupKey)('node1')).toThrow('"node1" is not an IPv4 address');
  });
});

describe('spisCollide', () => {
  const other = Uint8Array.from({ length: 32 }, (_, i) => 255 - i);
  /** The address that has this SPI under the key. */
  const addressOf = (key: Uint8Array, spi: number) => {
    const value = (spi ^ spisOf(key)('0.0.0.0')) >>> 0;
    return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
  };

  test('two keys for ordinary nodes do not collide', () => {
    expect(spisCollide(groupKey, [other], [a, b])).toBe(false);
  });

  test('a reserved SPI, or one of another key that is in use, does', () => {
    expect(spisCollide(groupKey, [], [a, addressOf(groupKey, 255)])).toBe(true);
    expect(spisCollide(groupKey, [], [a, addressOf(groupKey, 256)])).toBe(false);
    expect(spisCollide(groupKey, [other], [a, addressOf(groupKey, spisOf(other)(a))])).toBe(true);
  });
});
