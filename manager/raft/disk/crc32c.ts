/** The Castagnoli polynomial (RFC 3720, 12.1), its bits reversed. */
const POLYNOMIAL = 0x82f63b78;

/** TABLE[256 * k + b]: what byte b does to the checksum once k more bytes have followed it. */
const TABLE = new Int32Array(8 * 256);
for (let byte = 0; byte < 256; byte++) {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  TABLE[byte] = crc;
}
for (let at = 256; at < TABLE.length; at++) {
  const previous = TABLE[at - 256] as number;
  TABLE[at] = (previous >>> 8) ^ effect(0, previous);
}

function effect(bytesAfter: number, byte: number): number {
  return TABLE[(bytesAfter << 8) | (byte & 0xff)] as number;
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/**
 * CRC32C as in iSCSI and ext4: it finds every burst error of up to 32 bits. Not zlib's crc32, whose
 * polynomial is another. Eight bytes at a time ("slicing-by-8", Kounavis and Berry 2005), about
 * 1 GB/s: no write to the log waits for it.
 */
export function crc32c(bytes: Uint8Array): number {
  const whole = bytes.length - (bytes.length % 8);
  let crc = -1;
  let at = 0;
  for (; at < whole; at += 8) {
    const low = crc ^ word(bytes, at);
    const high = word(bytes, at + 4);
    crc =
      effect(7, low) ^
      effect(6, low >>> 8) ^
      effect(5, low >>> 16) ^
      effect(4, low >>> 24) ^
      effect(3, high) ^
      effect(2, high >>> 8) ^
      effect(1, high >>> 16) ^
      effect(0, high >>> 24);
  }
  for (; at < bytes.length; at++) crc = (crc >>> 8) ^ effect(0, crc ^ (bytes[at] as number));
  return ~crc >>> 0;
}
