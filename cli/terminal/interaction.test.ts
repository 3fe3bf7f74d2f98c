import { describe, expect, it } from 'vitest';
import { AsyncQueue } from '../../lib/async.js';
import { AttachMessage, AttachOpen, AttachRequest } from '../../proto/gen/containers.js';
import type { Terminal } from '../io.js';
import { testIo } from '../testing.js';
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from './detach-keys.js';
import { checkTty, type Interaction, interact } from './interaction.js';

/** The other side as a script: what it has been sent, and a terminal and signals that the test turns. */
class Peer {
  readonly sent: string[] = [];
  readonly answers = new AsyncQueue<AttachMessage>();
  readonly typed = new AsyncQueue<Uint8Array>();
  readonly printed: string[] = [];
  readonly raw: boolean[] = [];
  died: string | undefined;
  size = { rows: 24, columns: 80 };
  resized: () => void = () => undefined;
  signal: (name: NodeJS.Signals) => void = () => undefined;
  /** Whether the call has been given up. */
  gone = false;

  readonly terminal: Terminal = {
    size: () => this.size,
    setRaw: (raw) => void this.raw.push(raw),
    onResize: (callback) => {
      this.resized = callback;
      return () => undefined;
    },
  };

  wanted(fields: Partial<Interaction<AttachRequest>>): Interaction<AttachRequest> {
    return {
      io: testIo({
        stdin: this.typed,
        terminal: this.terminal,
        out: (text) => void this.printed.push(`out ${Buffer.from(text)}`),
        err: (text) => void this.printed.push(`err ${Buffer.from(text)}`),
        onSignals: (_names, handler) => {
          this.signal = handler;
          return () => undefined;
        },
        dieOf: (name) => {
          this.died = name;
        },
      }),
      open: AttachRequest.create({ open: AttachOpen.create({ ref: 'web' }) }),
      message: AttachRequest.create,
      call: (messages, { signal }) => this.#answer(messages, signal),
      stdin: true,
      stdout: true,
      stderr: true,
      tty: false,
      detachKeys: parseDetachKeys(DEFAULT_DETACH_KEYS),
      proxySignals: true,
      ...fields,
    };
  }

  async *#answer(messages: AsyncIterable<AttachRequest>, signal: AbortSignal): AsyncIterable<AttachMessage> {
    signal.addEventListener('abort', () => {
      this.gone = true;
      this.answers.end();
    });
    void this.#read(messages);
    yield* this.answers;
  }

  async #read(messages: AsyncIterable<AttachRequest>): Promise<void> {
    for await (const { open, stdin, stdinClosed, size, signal, detached } of messages) {
      if (open) this.sent.push(`open ${open.ref}`);
      if (stdin) this.sent.push(`stdin ${Buffer.from(stdin)}`);
      if (stdinClosed) this.sent.push('closed');
      if (size) this.sent.push(`size ${size.rows}x${size.columns}`);
      if (signal) this.sent.push(signal);
      if (detached) this.sent.push('detached');
    }
    this.answers.end();
  }

  say(message: Partial<AttachMessage>): void {
    this.answers.push(AttachMessage.create(message));
  }

  exit(code: number): void {
    this.say({ exited: { code, error: '' } });
  }
}

const bytes = (text: string) => Buffer.from(text);
const sees = (peer: Peer, ...sent: readonly string[]) => expect.poll(() => peer.sent).toEqual(sent);

describe('interact', () => {
  it('pipes - input to its end, output to each stream, and the exit code', async () => {
    const peer = new Peer();
    const end = interact(peer.wanted({}));
    await sees(peer, 'open web');
    peer.typed.push(bytes('one '), bytes('\x10\x11'));
    peer.typed.end();
    peer.say({ opened: { tty: false } });
    await sees(peer, 'open web', 'stdin one ', 'stdin \x10\x11', 'closed');
    peer.say({ stdout: bytes('a') });
    peer.say({ stderr: bytes('b') });
    peer.exit(3);
    expect(await end).toEqual({ code: 3, error: '' });
    expect(peer.printed).toEqual(['out a', 'err b']);
    expect(peer.raw).toEqual([]);
  });

  it('start - comes when output is complete, and input after it', async () => {
    const peer = new Peer();
    peer.typed.push(bytes('in'));
    const end = interact(peer.wanted({ onOpened: async () => void peer.sent.push('start') }));
    await sees(peer, 'open web');
    peer.say({ opened: { tty: false } });
    await sees(peer, 'open web', 'start', 'stdin in');
    peer.exit(0);
    await end;
  });

  it('start - what it throws is thrown, and the terminal is put back', async () => {
    const peer = new Peer();
    const start = async () => {
      throw new Error('no such file');
    };
    const end = interact(peer.wanted({ tty: true, onOpened: start }));
    peer.say({ opened: { tty: true } });
    await expect(end).rejects.toThrow('no such file');
    expect(peer.raw).toEqual([true, false]);
    expect(peer.gone).toBe(true);
  });

  it('terminal - is raw while it lasts, and its size is told', async () => {
    const peer = new Peer();
    const end = interact(peer.wanted({ tty: true }));
    peer.say({ opened: { tty: true } });
    await sees(peer, 'open web', 'size 24x80');
    expect(peer.raw).toEqual([true]);
    peer.size = { rows: 50, columns: 132 };
    peer.resized();
    await sees(peer, 'open web', 'size 24x80', 'size 50x132');
    peer.exit(0);
    await end;
    expect(peer.raw).toEqual([true, false]);
  });

  it('terminal - detach keys let go of a process that goes on', async () => {
    const peer = new Peer();
    const end = interact(peer.wanted({ tty: true }));
    peer.say({ opened: { tty: true } });
    peer.typed.push(bytes('ls\r'), bytes('\x10'), bytes('\x11'));
    expect(await end).toBeUndefined();
    expect(peer.sent).toEqual(['open web', 'size 24x80', 'stdin ls\r', 'detached']);
    expect(peer.raw).toEqual([true, false]);
  });

  it('terminal - a deadly signal puts it back first', async () => {
    const peer = new Peer();
    const end = interact(peer.wanted({ tty: true }));
    peer.say({ opened: { tty: true } });
    await expect.poll(() => peer.raw).toEqual([true]);
    peer.signal('SIGTERM');
    expect(peer.raw).toEqual([true, false]);
    expect(peer.died).toBe('SIGTERM');
    await end;
  });

  it('signals - are passed on when the process runs, and the third one ends us', async () => {
    const peer = new Peer();
    const end = interact(peer.wanted({ stdin: false }));
    peer.signal('SIGHUP');
    await sees(peer, 'open web');
    peer.say({ opened: { tty: false } });
    await sees(peer, 'open web', 'SIGHUP');
    peer.signal('SIGINT');
    peer.signal('SIGUSR1');
    peer.signal('SIGINT');
    await sees(peer, 'open web', 'SIGHUP', 'SIGINT', 'SIGUSR1', 'SIGINT');
    expect(peer.died).toBeUndefined();
    peer.signal('SIGTERM');
    expect(peer.died).toBe('SIGTERM');
    peer.exit(130);
    expect(await end).toEqual({ code: 130, error: '' });
  });

  it('input that cannot be read - ends it', async () => {
    const peer = new Peer();
    const end = interact(peer.wanted({}));
    peer.say({ opened: { tty: false } });
    peer.typed.fail(new Error('EIO'));
    await expect(end).rejects.toThrow('EIO');
  });

  it('a terminal for the process needs one here', () => {
    expect(() => checkTty(testIo(), { stdin: true, tty: true })).toThrow('the input device is not a TTY');
    checkTty(testIo(), { stdin: false, tty: true });
    checkTty(testIo({ terminal: new Peer().terminal }), { stdin: true, tty: true });
  });
});
