import path from 'node:path';
import { messageOf } from '../../../lib/errors.js';
import { WalFrame } from '../../../proto/gen/wal.js';
import { FIRST_FRAME, openHeader } from './file-header.js';
import type { KeyRing } from './file-key.js';
import { damaged, type FileId, fileName } from './files.js';
import { readFrame } from './frame.js';

/** A segment as it was read from disk. */
export interface SegmentContents {
  readonly id: FileId;
  readonly frames: readonly { readonly frame: WalFrame; readonly offset: number }[];
  /** Offset after the last sound frame. */
  readonly end: number;
  /** Whether a frame that was never finished follows. */
  readonly torn: boolean;
  /** Where the frames of the segment before it end; 0 in the first one of all. */
  readonly previousEnd: number;
}

/**
 * @param writtenEnd where its frames end, as the next segment says; undefined for the last segment,
 * only there may the end be torn
 * @throws INTERNAL for damage, with file and offset; when the key is not in the ring
 */
export function readSegment(
  folder: string,
  id: FileId,
  file: Buffer,
  keys: KeyRing,
  writtenEnd: number | undefined,
): SegmentContents {
  const name = path.join(folder, fileName(id));
  const key = openHeader(folder, id, file, keys);
  const frames: { frame: WalFrame; offset: number }[] = [];
  let offset = FIRST_FRAME;
  let torn = false;
  while (offset !== writtenEnd) {
    const result = readFrame(file, offset, frames.length);
    if (result.is === 'damaged') throw damaged(name, offset, result.what);
    if (result.is !== 'frame') {
      if (writtenEnd !== undefined)
        throw damaged(name, offset, `frames up to offset ${writtenEnd} were written, but they end there`);
      torn = result.is === 'torn';
      break;
    }
    const plain = key.open(frames.length, result.sealed);
    if (!plain) throw damaged(name, offset, 'a frame cannot be opened: it was altered, or sealed with another key');
    frames.push({ frame: decode(plain, name, offset), offset });
    offset = result.end;
    if (writtenEnd !== undefined && offset > writtenEnd)
      throw damaged(name, offset, `frames up to offset ${writtenEnd} were written, but there are more`);
  }
  // A file gets its name when its first frame is durable.
  const first = frames[0]?.frame;
  if (!first?.hardState) throw damaged(name, FIRST_FRAME, 'it does not begin with the hard state');
  return { id, frames, end: offset, torn, previousEnd: first.previousEnd };
}

function decode(plain: Uint8Array, name: string, offset: number): WalFrame {
  try {
    return WalFrame.decode(plain);
  } catch (error) {
    throw damaged(name, offset, `a frame cannot be decoded: ${messageOf(error)}`);
  }
}
