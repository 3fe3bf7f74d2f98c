import { invalidArgument } from '../../lib/errors.js';

export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

const CONTROL = '@abcdefghijklmnopqrstuvwxyz[\\]^_';

/**
 * The bytes of a key sequence as Docker writes it: single characters, or `ctrl-` and one of a-z @ [ \ ] ^ _, joined by commas.
 * @throws INVALID_ARGUMENT that names the key
 */
export function parseDetachKeys(text: string): Uint8Array {
  const keys = text === '' ? [] : text.split(',');
  return Uint8Array.from(keys.map(keyByte));
}

function keyByte(key: string): number {
  const control = key.startsWith('ctrl-') ? CONTROL.indexOf(key.slice('ctrl-'.length).toLowerCase()) : -1;
  if (control >= 0 && key.length === 'ctrl-'.length + 1) return control;
  if (/^[\x20-\x7e]$/.test(key)) return key.charCodeAt(0);
  throw invalidArgument(`invalid detach keys: unknown character "${key}"`, {
    value: key,
    hint: 'Keys are single characters or ctrl-a to ctrl-z, ctrl-@, ctrl-[, ctrl-\\, ctrl-], ctrl-^ and ctrl-_, joined by commas.',
  });
}

/** How much of the sequence has been typed. */
export type DetachState = number;

export interface DetachStep {
  readonly state: DetachState;
  /** What is to be sent on; keys that may yet be part of the sequence are held back. */
  readonly forward: Uint8Array;
  readonly detached: boolean;
}

/** Takes what was typed; what follows a complete sequence is dropped. An empty sequence never matches. */
export function detachStep(sequence: Uint8Array, state: DetachState, typed: Uint8Array): DetachStep {
  if (sequence.length === 0) return { state: 0, forward: typed, detached: false };
  const forward: number[] = [];
  let matched = state;
  for (const byte of typed) {
    // A key that breaks the sequence may begin it anew, further back: what stands before that is let go.
    while (matched > 0 && sequence[matched] !== byte) {
      const shorter = longestBorder(sequence.subarray(0, matched));
      forward.push(...sequence.subarray(0, matched - shorter));
      matched = shorter;
    }
    if (sequence[matched] === byte) matched++;
    else forward.push(byte);
    if (matched === sequence.length) return { state: 0, forward: Uint8Array.from(forward), detached: true };
  }
  return { state: matched, forward: Uint8Array.from(forward), detached: false };
}

/** Length of the longest proper prefix of the keys that they also end with. */
function longestBorder(keys: Uint8Array): number {
  for (let length = keys.length - 1; length > 0; length--)
    if (keys.subarray(0, length).every((key, i) => key === keys[keys.length - length + i])) return length;
  return 0;
}
