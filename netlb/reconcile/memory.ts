import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../lib/clock.js';
import type { Slices } from '../../lib/slices.js';
import { type ListeningSocket, readListeners } from '../kernel/listeners.js';
import { namespaceFilesIn } from '../kernel/namespace.js';
import { NODE_NAMESPACE } from '../names.js';
import type { ActualNamespace, ActualState } from '../plan/actual.js';
import type { Operation } from '../plan/operation.js';
import { shownBy } from '../plan/tunnels.js';
import { effectsOf } from './effects.js';
import type { NamespaceHandle, NamespaceHandles } from './handles.js';
import { Hearing, ROUTED_PARTS } from './hearing.js';
import { PARTS, type Part, readNamespace } from './read.js';
import { heardTurn, ROUND, turnOf, wholeTurn } from './turns.js';

interface Reading {
  /** Whose reading it is: a namespace made anew under the same name has another handle. */
  readonly handle: NamespaceHandle;
  readonly actual: ActualNamespace;
  /** Parts that may have changed since. */
  readonly doubtful: Set<Part>;
  /** When its links, addresses, routes, rules and neighbours were read, all of them. */
  readonly routedAt: number;
  /** When its tunnels were read. */
  readonly tunnelsAt: number;
}

/** Remote endpoints of a namespace whose entries take some tens of milliseconds to be read. */
const MANY_REMOTES = 1000;

/**
 * What was read of the kernel, kept from one pass to the next: to read fifty sandboxes takes longer than to
 * change what a new task changes in them. What our own operations touch is read again, and everything is
 * from time to time, for others change the kernel too.
 *
 * Readings are in the order in which they were made whole: the first has waited longest to be looked at again.
 */
export class Memory {
  readonly #handles: NamespaceHandles;
  readonly #clock: Clock;
  readonly #readings = new Map<string, Reading>();
  /** Published ports at which nobody else waited when that was read. */
  #unoccupied: ReadonlySet<string> = new Set();
  /** What looks have left of their share in reading everything. */
  #left = 0;

  /** What others change is heard here. */
  readonly hearing: Hearing;

  constructor(handles: NamespaceHandles, clock: Clock) {
    this.#handles = handles;
    this.#clock = clock;
    this.hearing = new Hearing({
      clock,
      nameOf: (number) => handles.nameOf(number),
      names: () => this.#readings.keys(),
      isSet: (name, address) => this.#isSet(name, address),
    });
  }

  /** Nothing is relied on any more: the next reading is of the kernel alone. */
  forget(): void {
    this.#readings.clear();
    this.#unoccupied = new Set();
  }

  /**
   * Sockets of the node that wait for clients at some of these ports (`8080/tcp`). Read again for a port that nobody
   * asked about before, and while there are any; a process that comes later is seen when all is read.
   */
  listeners(ports: ReadonlySet<string>): readonly ListeningSocket[] {
    if (ports === this.#unoccupied || [...ports].every((port) => this.#unoccupied.has(port))) {
      // One that is given up now may be somebody else's when it is asked for again.
      this.#unoccupied = ports;
      return [];
    }
    const all = readListeners(this.#handles.get(NODE_NAMESPACE).namespace);
    const list = all.filter(({ protocol, port }) => ports.has(`${port}/${protocol}`));
    this.#unoccupied = list.length > 0 ? new Set() : ports;
    return list;
  }

  /**
   * To be called before an operation is begun: one that fails may have done a part of it.
   * @returns to be called when it was done: what it leaves may be known then without being read
   */
  begin(operation: Operation): () => void {
    const known = this.#readings.get(operation.namespace);
    const certain = !known?.doubtful.has('links') && !known?.doubtful.has('tunnels');
    const effects = effectsOf(operation, this.#readings.keys());
    const tell = () => {
      for (const { namespace, parts } of effects) this.hearing.own(namespace, parts);
    };
    tell();
    for (const { namespace, parts } of effects)
      for (const part of parts) this.#readings.get(namespace)?.doubtful.add(part);
    return () => {
      tell();
      // It may have been forgotten meanwhile.
      if (!known || !certain || this.#readings.get(operation.namespace) !== known) return;
      const actual = afterRemotes(known.actual, operation);
      if (!actual) return;
      const doubtful = new Set([...known.doubtful].filter((part) => part !== 'tunnels'));
      this.#readings.set(operation.namespace, { ...known, actual, doubtful });
    };
  }

  /**
   * All namespaces, with turns of the event loop between them.
   * @returns `current` when all of it was read in this call
   */
  async read(slices: Slices): Promise<{ readonly actual: ActualState; readonly current: boolean }> {
    const { directory } = this.#handles;
    const { namespaces: named, stale } = await slices.run(namespaceFilesIn(directory));
    const nameless = this.#handles.nameless(new Set(named));
    const names = [...named, ...nameless];
    this.#retain(new Set([NODE_NAMESPACE, ...names]));
    const namespaces = new Map<string, ActualNamespace>();
    let current = true;
    for (const name of [NODE_NAMESPACE, ...names]) {
      const handle = this.#handles.get(name);
      const known = this.#known(name, handle);
      if (known) current = false;
      namespaces.set(name, await this.#refresh(name, handle, known, slices));
      await slices.pause();
    }
    const staleFiles = stale.filter((name) => !nameless.includes(name));
    return { actual: { namespaces, nameless: new Set(nameless), staleFiles }, current };
  }

  /**
   * Looks for what others have changed, in the namespaces whose turn it is, and keeps what it reads.
   * @param interval milliseconds from one look to the next
   * @returns whether the kernel is not as it was remembered, or it is not known how it was
   */
  async differs(interval: number, slices: Slices): Promise<boolean> {
    const { directory } = this.#handles;
    const { namespaces: named, stale } = await slices.run(namespaceFilesIn(directory));
    const isKnown = [NODE_NAMESPACE, ...named].every((name) => this.#readings.has(name));
    const isComplete = isKnown && this.#readings.size === named.length + 1;
    // All of it is looked at whatever comes first: something that differs for good hides nothing else.
    let differs = !isComplete || stale.length > 0;
    if (this.#becameOccupied()) differs = true;
    const inTurn = turnOf([...this.#readings.keys()], (other) => this.#isDoubtful(other), interval);
    const due = this.#due(interval);
    for (const name of new Set([...inTurn, ...due])) {
      const known = this.#known(name, this.#handles.get(name));
      if (await this.#look(name, this.#partsInTurn(name, known, due.has(name)), slices)) differs = true;
      this.#moveToEnd(name);
    }
    for (const name of heardTurn(this.hearing.waiting)) {
      const parts = this.hearing.take(name);
      if (this.#readings.has(name) && (await this.#look(name, parts, slices))) differs = true;
    }
    return differs;
  }

  /** Reads parts of a namespace, or all of one that is not known yet. @returns whether they are not as they were remembered */
  async #look(name: string, parts: readonly Part[], slices: Slices): Promise<boolean> {
    const handle = this.#handles.get(name);
    const known = this.#known(name, handle);
    const isWhole = known === undefined || parts === PARTS;
    const read = await slices.run(
      readNamespace(name, handle, isWhole ? PARTS : parts, isWhole ? undefined : known.actual),
    );
    const isSame = isDeepStrictEqual(read, known?.actual);
    // The same object stands for the same: who remembers what was told from it need not tell it again.
    this.#readings.set(name, this.#after(known, parts, { handle, actual: isSame && known ? known.actual : read }));
    await slices.pause();
    return !isSame;
  }

  /** Namespaces of which this look reads what the kernel tells changes of, too: it may have been silent. */
  #due(interval: number): ReadonlySet<string> {
    const readAt = new Map([...this.#readings].map(([name, { routedAt }]) => [name, routedAt]));
    const { names, left } = wholeTurn(readAt, interval, this.#left);
    this.#left = left;
    return new Set(names);
  }

  /** What the kernel tells changes of is read when it has told of one, or could not be heard. */
  #partsInTurn(name: string, known: Reading | undefined, isDue: boolean): readonly Part[] {
    const heard = this.hearing.take(name);
    if (!this.hearing.listens || !known || known.doubtful.size > 0 || isDue) return PARTS;
    if (known.routedAt >= this.hearing.deafUntil(name))
      return PARTS.filter((part) => heard.includes(part) || !ROUTED_PARTS.includes(part));
    // To read thousands of entries takes long: it waits for its turn.
    const isRead = this.#clock.monotonic() - known.tunnelsAt < ROUND && remotesIn(known.actual) >= MANY_REMOTES;
    return isRead && !heard.includes('tunnels') ? WITHOUT_TUNNELS : PARTS;
  }

  #after(known: Reading | undefined, parts: readonly Part[], read: Pick<Reading, 'handle' | 'actual'>): Reading {
    const doubtful = new Set([...(known?.doubtful ?? [])].filter((part) => !parts.includes(part)));
    const now = this.#clock.monotonic();
    const isRead = (...read: readonly Part[]) => !known || read.every((part) => parts.includes(part));
    const routedAt = isRead('links', 'addressing', 'neighbours') ? now : (known?.routedAt ?? now);
    const tunnelsAt = isRead('tunnels') ? now : (known?.tunnelsAt ?? now);
    return { ...read, doubtful, routedAt, tunnelsAt };
  }

  #isSet(name: string, address: string): boolean {
    const actual = this.#readings.get(name)?.actual;
    if (!actual) return false;
    return (
      actual.neighbours.some((neighbour) => neighbour.permanent && neighbour.address === address) ||
      [...actual.tunnels.values()].some(({ neighbours }) => neighbours.has(address))
    );
  }

  #isDoubtful(name: string): boolean {
    const reading = this.#readings.get(name);
    return !reading || reading.doubtful.size > 0 || reading.handle.tables.moved;
  }

  /** Whether somebody waits at a published port at which nobody did. */
  #becameOccupied(): boolean {
    if (this.#unoccupied.size === 0) return false;
    const all = readListeners(this.#handles.get(NODE_NAMESPACE).namespace);
    const isOccupied = all.some(({ protocol, port }) => this.#unoccupied.has(`${port}/${protocol}`));
    if (isOccupied) this.#unoccupied = new Set();
    return isOccupied;
  }

  #moveToEnd(name: string): void {
    const reading = this.#readings.get(name);
    this.#readings.delete(name);
    if (reading) this.#readings.set(name, reading);
  }

  #known(name: string, handle: NamespaceHandle): Reading | undefined {
    const reading = this.#readings.get(name);
    return reading?.handle === handle ? reading : undefined;
  }

  async #refresh(
    name: string,
    handle: NamespaceHandle,
    known: Reading | undefined,
    slices: Slices,
  ): Promise<ActualNamespace> {
    if (known?.doubtful.size === 0) return known.actual;
    const parts = known ? [...known.doubtful] : PARTS;
    const actual = await slices.run(readNamespace(name, handle, parts, known?.actual));
    this.#readings.set(name, this.#after(known, parts, { handle, actual }));
    return actual;
  }

  #retain(names: ReadonlySet<string>): void {
    this.#handles.retain(names);
    for (const name of [...this.#readings.keys()]) if (!names.has(name)) this.#readings.delete(name);
  }
}

const WITHOUT_TUNNELS = PARTS.filter((part) => part !== 'tunnels');

const remotesIn = ({ tunnels }: ActualNamespace): number =>
  [...tunnels.values()].reduce((sum, tunnel) => sum + (shownBy(tunnel)?.length ?? tunnel.neighbours.size), 0);

/**
 * Entries of a tunnel after some were added or removed: of one that has thousands, all would take long to be read again.
 * Undefined for other operations.
 */
function afterRemotes(actual: ActualNamespace, operation: Operation): ActualNamespace | undefined {
  if (operation.kind !== 'add-remotes' && operation.kind !== 'remove-remotes') return undefined;
  const index = actual.links.find(({ name }) => name === operation.vxlan)?.index;
  if (index === undefined || !actual.tunnels.has(index)) return undefined;
  return { ...actual, tunnels: new Map([...actual.tunnels, [index, operation.leaves]]) };
}
