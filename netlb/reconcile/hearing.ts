import type { Clock } from '../../lib/clock.js';
import { isKernelError } from '../kernel/errors.js';
import { AF_BRIDGE } from '../kernel/families.js';
import { RTM_DELLINK, RTM_NEWLINK } from '../kernel/links.js';
import type { NetlinkMessage } from '../kernel/messages.js';
import { NetNamespace } from '../kernel/namespace.js';
import { NUD_NOARP, NUD_PERMANENT, parseNeighbour, RTM_DELNEIGH, RTM_NEWNEIGH } from '../kernel/neighbours.js';
import { type Notice, NoticeSocket } from '../kernel/notices.js';
import { watchReadable } from '../kernel/readable.js';
import { isOverlayNamespace, NODE_NAMESPACE } from '../names.js';
import type { Part } from './read.js';
import { ROUND } from './turns.js';

/** Milliseconds between two readings of what was said, so that a storm of notifications costs only so much. */
const EVERY = 250;
/**
 * Milliseconds after a change of our own to links in which what is heard of their namespace is an echo: within a second
 * the kernel tells that they are up, and what addresses and routes have come by that.
 */
const ECHO = 1500;

/** What of a namespace may have changed by its links, addresses, routes, rules and neighbours. */
export const ROUTED_PARTS: readonly Part[] = ['links', 'addressing', 'neighbours', 'tunnels'];

/** What a bridge tells of its ports, some of it a quarter of a minute after they were made: there is nothing else in it. */
const isPort = ({ type, payload }: NetlinkMessage): boolean =>
  (type === RTM_NEWLINK || type === RTM_DELLINK) && payload[0] === AF_BRIDGE;

export interface HearingOptions {
  readonly clock: Clock;
  /** The namespace that has a number in the node's; undefined: none of ours. */
  readonly nameOf: (number: number) => string | undefined;
  /** All that are looked after. */
  readonly names: () => Iterable<string>;
  /** Whether a neighbour with this address was set there, as far as is known. */
  readonly isSet: (name: string, address: string) => boolean;
}

/**
 * Which parts of which namespaces others may have changed, by the kernel's notifications. What is heard during a pass of
 * our own from where it changes something, and of links a little longer, is taken for its echo; what is lost by that,
 * the next look finds where it is told until when nothing was heard, and a look in turns elsewhere.
 */
export class Hearing {
  readonly #options: HearingOptions;
  readonly #heard = new Map<string, Set<Part>>();
  /** Where this pass has changed something. */
  readonly #own = new Set<string>();
  /** When links of ours were changed, by namespace, the oldest first. */
  readonly #links = new Map<string, number>();
  /** Until when what others change was taken for an echo, by namespace, the pass that is longest ago first. */
  readonly #deaf = new Map<string, number>();
  #socket: NoticeSocket | undefined;

  constructor(options: HearingOptions) {
    this.#options = options;
  }

  /** Whether changes are heard at all. */
  get listens(): boolean {
    return this.#socket !== undefined;
  }

  /**
   * Listens until the signal aborts.
   * @returns whether it can: it takes CAP_NET_BROADCAST
   * @throws KernelError
   */
  start(signal: AbortSignal): boolean {
    let socket: NoticeSocket;
    try {
      socket = new NoticeSocket(NetNamespace.self(), [
        'link',
        'neighbour',
        ...(['ipv4Address', 'ipv4Route', 'ipv4Rule', 'ipv6Address', 'ipv6Route', 'ipv6Rule'] as const),
      ]);
    } catch (error) {
      if (isKernelError(error, 'EPERM')) return false;
      throw error;
    }
    this.#socket = socket;
    let stop = () => {};
    const wait = () => {
      const watch = watchReadable(socket.fd, () => {
        watch.close();
        stop = this.#options.clock.after(EVERY, () => {
          this.#listen();
          wait();
        });
      });
      stop = () => watch.close();
    };
    wait();
    signal.addEventListener(
      'abort',
      () => {
        stop();
        socket.close();
        this.#socket = undefined;
      },
      { once: true },
    );
    return true;
  }

  /** A pass of our own: the notifications of what it changes are its echo. They are there as soon as that is done. */
  async during<T>(pass: () => Promise<T>): Promise<T> {
    this.#listen();
    try {
      return await pass();
    } finally {
      this.#listen();
      const now = this.#options.clock.monotonic();
      for (const name of this.#own) {
        const link = this.#links.get(name);
        this.#deaf.delete(name);
        this.#deaf.set(name, link === undefined ? now : Math.max(now, link + ECHO));
      }
      this.#own.clear();
    }
  }

  /** To be told before and after a pass changes parts of a namespace. */
  own(name: string, parts: readonly Part[]): void {
    if (!parts.some((part) => ROUTED_PARTS.includes(part))) return;
    this.#own.add(name);
    if (!parts.includes('links')) return;
    this.#links.delete(name);
    this.#links.set(name, this.#options.clock.monotonic());
  }

  /** What of a namespace is to be looked at; nothing from then on. */
  take(name: string): readonly Part[] {
    const parts = this.#heard.get(name);
    this.#heard.delete(name);
    return parts ? [...parts] : [];
  }

  /** Until when a change that others make in a namespace may not have been heard; in the past, or soon, or never. */
  deafUntil(name: string): number {
    return this.#deaf.get(name) ?? Number.NEGATIVE_INFINITY;
  }

  /** Names of the namespaces in which something has changed, those that have waited longest first. */
  get waiting(): readonly string[] {
    return [...this.#heard.keys()];
  }

  /** @param drain tells of each notification that there is, and whether that is all */
  hear(drain: (tell: (notice: Notice) => void) => boolean): void {
    this.#forgetEchoes();
    const isComplete = drain(({ namespace, message }) => this.#note(namespace, message));
    // What was lost may have been of any.
    if (!isComplete) for (const name of this.#options.names()) this.#add(name, ROUTED_PARTS);
  }

  #listen(): void {
    const socket = this.#socket;
    if (socket) this.hear((tell) => socket.drain(tell));
  }

  #note(number: number | undefined, message: NetlinkMessage): void {
    const name = number === undefined ? NODE_NAMESPACE : this.#options.nameOf(number);
    if (name === undefined || this.#own.has(name)) return;
    if (isPort(message)) {
      this.#add(name, ['links']);
    } else if (message.type !== RTM_NEWNEIGH && message.type !== RTM_DELNEIGH) {
      // Addresses and routes go with a link, or with each other, without a word of their own.
      if (!this.#links.has(name)) this.#add(name, ROUTED_PARTS);
    } else if (this.#concernsUs(name, message)) {
      this.#add(name, [isOverlayNamespace(name) || name === NODE_NAMESPACE ? 'tunnels' : 'neighbours']);
    }
  }

  /** Of the neighbours that come and go by themselves, nobody has set one. */
  #concernsUs(name: string, message: NetlinkMessage): boolean {
    const STATE = 8;
    if (message.payload.readUInt16LE(STATE) & (NUD_PERMANENT | NUD_NOARP)) return true;
    const neighbour = parseNeighbour(message);
    return neighbour !== undefined && this.#options.isSet(name, neighbour.address);
  }

  #add(name: string, parts: readonly Part[]): void {
    const known = this.#heard.get(name) ?? new Set();
    for (const part of parts) known.add(part);
    this.#heard.set(name, known);
  }

  #forgetEchoes(): void {
    const now = this.#options.clock.monotonic();
    for (const [name, time] of this.#links) {
      if (time > now - ECHO) break;
      this.#links.delete(name);
    }
    for (const [name, time] of this.#deaf) {
      if (time > now - 2 * ROUND) break;
      this.#deaf.delete(name);
    }
  }
}
