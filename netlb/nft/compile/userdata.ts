/** What nft keeps with rules and sets for itself: type, length and value, a byte each of the first two. Pure. */

export function userdata(entries: readonly (readonly [type: number, value: Buffer])[]): Buffer {
  return Buffer.concat(entries.flatMap(([type, value]) => [Buffer.of(type, value.length), value]));
}
