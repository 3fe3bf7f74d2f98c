import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, type KeyObject, randomBytes } from 'node:crypto';
import { internal } from '../../../lib/errors.js';

/** An AES-256 key that files of a manager are sealed with. Kept by the caller, beside the node's own key. */
export interface StorageKey {
  /** 16 hex digits; each file names the key that it is sealed with. */
  readonly id: string;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

/** Newest first: [0] seals new files, all open old ones. */
export type KeyRing = readonly StorageKey[];

export function newestKey(keys: KeyRing): StorageKey {
  const [newest] = keys;
  if (!newest) throw internal('there is no key to seal the raft log with');
  return newest;
}

export function newStorageKey(random: (bytes: number) => Uint8Array = randomBytes): StorageKey {
  return { id: Buffer.from(random(8)).toString('hex'), key: random(32) };
}

export const SALT_BYTES = 32;
export const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

/**
 * Seals the frames of one file by AES-256-GCM (NIST SP 800-38D). The key is the file's alone, derived
 * by HKDF-SHA256 (RFC 5869) from the storage key and the file's random salt; the nonce is the number
 * of the frame within the file. So no nonce is ever used twice with a key as long as no frame of a
 * file is sealed twice: that is why a log goes on in a new file after each restart, never behind a
 * torn frame. The file's header is authenticated with each frame.
 */
export class FileKey {
  readonly #key: KeyObject;
  readonly #header: Uint8Array;

  /** @param purpose keeps the keys of different kinds of files apart */
  constructor(storageKey: StorageKey, purpose: string, salt: Uint8Array, header: Uint8Array) {
    this.#key = createSecretKey(new Uint8Array(hkdfSync('sha256', storageKey.key, salt, purpose, 32)));
    this.#header = header;
  }

  /** The parts of the sealed bytes, TAG_BYTES longer than `plain`. */
  seal(counter: number, plain: Uint8Array): readonly [ciphertext: Uint8Array, tag: Uint8Array] {
    const cipher = createCipheriv(CIPHER, this.#key, nonce(counter)).setAAD(this.#header);
    const ciphertext = cipher.update(plain);
    cipher.final();
    return [ciphertext, cipher.getAuthTag()];
  }

  /** Undefined when the bytes, the counter, the header or the key are not those of sealing. */
  open(counter: number, sealed: Uint8Array): Uint8Array | undefined {
    if (sealed.length < TAG_BYTES) return undefined;
    const end = sealed.length - TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, this.#key, nonce(counter), { authTagLength: TAG_BYTES })
      .setAAD(this.#header)
      .setAuthTag(sealed.subarray(end));
    const plain = decipher.update(sealed.subarray(0, end));
    try {
      decipher.final();
      return plain;
    } catch {
      return undefined;
    }
  }
}

function nonce(counter: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeBigUInt64BE(BigInt(counter), 4);
  return bytes;
}
