import { describe, expect, it } from 'vitest';
import { DEFAULT_DETACH_KEYS, detachStep, parseDetachKeys } from './detach-keys.js';

/** What is sent on for pieces of input, and whether they end in detaching. */
function typed(keys: string, ...pieces: string[]): { sent: string; detached: boolean } {
  const sequence = parseDetachKeys(keys);
  let state = 0;
  let sent = '';
  for (const piece of pieces) {
    const step = detachStep(sequence, state, Buffer.from(piece));
    sent += Buffer.from(step.forward).toString();
    state = step.state;
    if (step.detached) return { sent, detached: true };
  }
  return { sent, detached: false };
}

describe('parseDetachKeys', () => {
  it.each([
    [DEFAULT_DETACH_KEYS, [16, 17]],
    ['ctrl-a', [1]],
    ['ctrl-Z', [26]],
    ['ctrl-@,ctrl-[,ctrl-\\,ctrl-],ctrl-^,ctrl-_', [0, 27, 28, 29, 30, 31]],
    ['a,b,ctrl-c', [97, 98, 3]],
    ['', []],
  ])('%s', (text, bytes) => {
    expect([...parseDetachKeys(text)]).toEqual(bytes);
  });

  it.each(['ctrl-!', 'ab', 'ctrl-', 'ctrl-pq', 'ctrl-p,,a', 'é'])('refuses %j', (text) => {
    expect(() => parseDetachKeys(text)).toThrow('invalid detach keys: unknown character');
  });
});

describe('detachStep', () => {
  it('detach keys - are not sent, what was typed before them is', () => {
    expect(typed(DEFAULT_DETACH_KEYS, 'ls\n\x10\x11rest')).toEqual({ sent: 'ls\n', detached: true });
  });

  it('detach keys - may come in pieces', () => {
    expect(typed(DEFAULT_DETACH_KEYS, 'a\x10', '\x11')).toEqual({ sent: 'a', detached: true });
  });

  it('detach keys - a beginning that comes to nothing is sent', () => {
    expect(typed(DEFAULT_DETACH_KEYS, '\x10', 'x')).toEqual({ sent: '\x10x', detached: false });
    expect(typed(DEFAULT_DETACH_KEYS, '\x10\x10\x10', 'x')).toEqual({ sent: '\x10\x10\x10x', detached: false });
  });

  it('detach keys - a broken sequence may begin it anew', () => {
    expect(typed(DEFAULT_DETACH_KEYS, '\x10\x10\x11')).toEqual({ sent: '\x10', detached: true });
    expect(typed('a,a,b', 'aaab')).toEqual({ sent: 'a', detached: true });
    expect(typed('a,b,a,c', 'ababac')).toEqual({ sent: 'ab', detached: true });
  });

  it('detach keys - none means never', () => {
    expect(typed('', 'ls\n\x10\x11')).toEqual({ sent: 'ls\n\x10\x11', detached: false });
  });
});
