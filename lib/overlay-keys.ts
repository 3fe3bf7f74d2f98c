/**
 * What the nodes of encrypted overlays make of the swarm's key: each the same, without talking to each other. A key
 * serves one node's packets to one other node alone. All senders count their packets from 1, and a counter is what
 * AES-GCM must never see twice under one key: with one key for all, as Docker has it, two nodes would.
 *
 *     key and salt = HKDF-SHA256(group key, salt: none, info: "tsswarm esp aes-128-gcm v1\0" source destination, 20 bytes)
 *     mask         = HKDF-SHA256(group key, salt: none, info: "tsswarm esp spi v1\0", 4 bytes)
 *     SPI          = mask xor source
 *
 * Source and destination are the 4 bytes of the nodes' data-path addresses. An SPI tells a receiver the sender and
 * the key: for one key no two senders have the same, and whoever makes a key sees to it that it is so for the keys
 * that are in use together (`spisCollide`).
 */
import { hkdfSync } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { invalidArgument } from './errors.js';

/** Of the swarm's key. */
export const GROUP_KEY_BYTES = 32;
/** AES-128 key and 4 bytes of salt (RFC 4106). */
const DIRECTION_KEY_BYTES = 20;
/** SPIs below are for other uses (RFC 4303, 2.1). */
const FIRST_SPI = 256;

const NO_SALT = Buffer.alloc(0);
const KEY_INFO = Buffer.from('tsswarm esp aes-128-gcm v1\0');
const SPI_INFO = Buffer.from('tsswarm esp spi v1\0');

const expand = (groupKey: Uint8Array, info: Uint8Array, length: number): Buffer =>
  Buffer.from(hkdfSync('sha256', groupKey, NO_SALT, info, length));

/** @throws INVALID_ARGUMENT when it is not IPv4 */
function addressBytes(address: string): Buffer {
  if (!isIPv4(address)) throw invalidArgument(`"${address}" is not an IPv4 address`, { value: address });
  return Buffer.from(address.split('.').map(Number));
}

/** AES-128 key and salt of what `source` sends to `destination`, 20 bytes. @throws INVALID_ARGUMENT */
export function directionKey(groupKey: Uint8Array, source: string, destination: string): Buffer {
  const info = Buffer.concat([KEY_INFO, addressBytes(source), addressBytes(destination)]);
  return expand(groupKey, info, DIRECTION_KEY_BYTES);
}

/** The security parameters indexes of a key, by source. @throws INVALID_ARGUMENT */
export function spisOf(groupKey: Uint8Array): (source: string) => number {
  const mask = expand(groupKey, SPI_INFO, 4).readUInt32BE();
  return (source) => (mask ^ addressBytes(source).readUInt32BE()) >>> 0;
}

/** Whether a key must not be used: an SPI of one of these sources is reserved, or is another key's for one of them. */
export function spisCollide(groupKey: Uint8Array, others: readonly Uint8Array[], sources: readonly string[]): boolean {
  const taken = new Set(others.map(spisOf).flatMap((spi) => sources.map(spi)));
  return sources.map(spisOf(groupKey)).some((spi) => spi < FIRST_SPI || taken.has(spi));
}
