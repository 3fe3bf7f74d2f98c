import { deferred } from '../../../lib/async.js';
import { messageOf } from '../../../lib/errors.js';
import { isKernelError } from '../../kernel/errors.js';
import type { NetNamespace } from '../../kernel/namespace.js';
import { watchReadable } from '../../kernel/readable.js';
import { RouteSocket } from '../../kernel/rtnetlink.js';
import { bind, close, receive, socket } from '../../kernel/syscalls.js';
import type { CaptureAnswer, Sighting, Tap } from '../queries.js';
import { recognise } from './packet.js';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_ALL = 0x0003;
const MSG_DONTWAIT = 0x40;
/** The headers of a packet inside of VXLAN fit. */
const SNAPSHOT = 256;
/** Frames read in one turn of the event loop: a busy link does not hold the daemon up. */
const FRAMES_PER_TURN = 200;
const MAX_TAPS = 64;
/** Milliseconds after which a capture that nobody collects is closed. */
const LIFETIME = 15_000;

interface Capture {
  readonly sightings: Sighting[];
  readonly taps: readonly Tap[];
  readonly closers: (() => void)[];
  readonly complete: ReturnType<typeof deferred<void>>;
  readonly expiry: NodeJS.Timeout;
}

/** Sockets that look for the packets of a probe at links (packet(7)), each capture for a few seconds. */
export class Captures {
  readonly #in: <T>(namespace: string, use: (namespace: NetNamespace) => T) => T;
  readonly #open = new Map<string, Capture>();

  /** @param inside does something with a namespace of this node, by name */
  constructor(inside: <T>(namespace: string, use: (namespace: NetNamespace) => T) => T) {
    this.#in = inside;
  }

  /** What passes the taps from now on is seen. */
  open(id: string, taps: readonly Tap[], tokens: readonly number[]): CaptureAnswer {
    this.#close(id);
    const expiry = setTimeout(() => this.#close(id), LIFETIME);
    expiry.unref();
    const capture: Capture = { sightings: [], taps, closers: [], complete: deferred(), expiry };
    this.#open.set(id, capture);
    const failed: { tap: Tap; error: string }[] = [];
    for (const tap of taps.slice(0, MAX_TAPS)) {
      try {
        capture.closers.push(this.#tap(capture, tap, new Set(tokens)));
      } catch (error) {
        failed.push({ tap, error: messageOf(error) });
      }
    }
    return { failed };
  }

  /** What was seen; waits until each tap has seen the packet and an answer, but not longer than told. Ends the capture. */
  async collect(id: string, waitMs: number): Promise<Sighting[]> {
    const capture = this.#open.get(id);
    if (!capture) throw new TypeError(`there is no capture ${id}: it was collected, or has expired`);
    const patience = setTimeout(() => capture.complete.resolve(), Math.min(waitMs, LIFETIME));
    await capture.complete.promise;
    clearTimeout(patience);
    this.#close(id);
    return capture.sightings;
  }

  close(): void {
    for (const id of [...this.#open.keys()]) this.#close(id);
  }

  #close(id: string): void {
    const capture = this.#open.get(id);
    if (!capture) return;
    this.#open.delete(id);
    clearTimeout(capture.expiry);
    for (const closer of capture.closers) closer();
    capture.complete.resolve();
  }

  #tap(capture: Capture, tap: Tap, tokens: ReadonlySet<number>): () => void {
    const fd = this.#in(tap.namespace, (namespace) => packetSocket(namespace, tap.link));
    const frame = Buffer.alloc(SNAPSHOT);
    const watch = watchReadable(fd, () => {
      for (let i = 0; i < FRAMES_PER_TURN; i++) {
        const length = receiveFrame(fd, frame);
        if (length === undefined) return;
        const known = recognise(frame.subarray(0, length), tokens);
        if (known) this.#seen(capture, { tap, ...known });
      }
    });
    return () => {
      watch.close();
      close(fd);
    };
  }

  #seen(capture: Capture, sighting: Sighting): void {
    capture.sightings.push(sighting);
    const has = ({ namespace, link }: Tap, answered: boolean) =>
      capture.sightings.some(
        ({ tap, answer }) => tap.namespace === namespace && tap.link === link && (answer !== undefined) === answered,
      );
    if (capture.taps.every((tap) => has(tap, false) && has(tap, true))) capture.complete.resolve();
  }
}

/** @throws KernelError when there is no such link */
function packetSocket(namespace: NetNamespace, name: string): number {
  const link = linkOf(namespace, name);
  if (!link) throw new TypeError(`there is no link ${name}`);
  // Without a protocol it receives nothing before it is bound to the link.
  const fd = namespace.run(() => socket(AF_PACKET, SOCK_RAW, 0));
  try {
    // struct sockaddr_ll
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16BE(ETH_P_ALL, 2);
    address.writeInt32LE(link.index, 4);
    bind(fd, address);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

function linkOf(namespace: NetNamespace, name: string) {
  const route = new RouteSocket(namespace);
  try {
    return route.link({ name });
  } finally {
    route.close();
  }
}

/** @returns undefined when there is none now, or the link has gone */
function receiveFrame(fd: number, frame: Buffer): number | undefined {
  try {
    return Math.min(receive(fd, frame, MSG_DONTWAIT), frame.length);
  } catch (error) {
    if (isKernelError(error, 'EAGAIN', 'ENETDOWN', 'ENODEV')) return undefined;
    throw error;
  }
}
