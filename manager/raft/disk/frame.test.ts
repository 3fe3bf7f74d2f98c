import { expect, test } from 'vitest';
import { FileKey, newStorageKey } from './file-key.js';
import { encodeFrame, frameBytes, readFrame, SECTOR } from './frame.js';

const key = new FileKey(newStorageKey(), 'a test', new Uint8Array(32), new Uint8Array(0));

test('frame - is read back from where it was written', () => {
  for (const length of [0, 1, 479, 480, 481, 5000]) {
    const plain = Buffer.alloc(length, 'plain');
    const frame = encodeFrame(key, 7, plain);
    expect(frame.length).toBe(frameBytes(length));
    const result = readFrame(Buffer.concat([Buffer.alloc(SECTOR, 1), frame, Buffer.alloc(SECTOR)]), SECTOR, 7);
    if (result.is !== 'frame') expect.fail(result.is);
    expect(result.end).toBe(SECTOR + frame.length);
    expect(key.open(7, result.sealed)).toEqual(plain);
    expect(key.open(8, result.sealed)).toBeUndefined();
  }
});

test('frame - a last sector with nothing but a zero of the body does not make damage look torn', () => {
  // 481 bytes of plaintext leave one byte for the second sector.
  for (let counter = 0; ; counter++) {
    const frame = encodeFrame(key, counter, Buffer.alloc(481));
    if (frame[SECTOR] !== 0) continue;
    frame[100] = ~(frame[100] as number);
    expect(readFrame(frame, 0, counter)).toEqual({ is: 'damaged', what: 'a frame does not match its checksum' });
    return;
  }
});
