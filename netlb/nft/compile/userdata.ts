/** What nft keeps with rules and sets for itself: type, length and value, a byte each of the first two. Pure. */

export function userdata(entries: readonly (readonly [type: number, value: Buffer])[]): Buffer {
  let length = 0;
  for (const [, value] of entries) length += 2 + value.length;
  const bytes = Buffer.allocUnsafe(length);
  let offset = 0;
  for (const [type, value] of entries) {
    bytes[offset] = type;
    bytes[offset + 1] = value.length;
    bytes.set(value, offset + 2);
    offset += 2 + value.length;
  }
  return bytes;
}
