import { AsyncQueue, yieldToLoop } from '../../lib/async.js';
import type { Clock } from '../../lib/clock.js';
import { codeOf, resourceExhausted, SwarmError, unavailable } from '../../lib/errors.js';
import type { Event, Horizon } from '../../lib/events/event.js';
import { type EventLog, EventRing } from '../../lib/events/ring.js';
import type { Logger } from '../../lib/log.js';
import { StoreChangeAction, StoreSnapshotChunk, StoreTransaction } from '../../proto/gen/index.js';
import { happeningOf } from '../events/derive.js';
import { eventChunks, kindOf, ObjectDecoder, SNAPSHOT_FORMAT, snapshotChunks } from './codec.js';
import { Draft } from './draft.js';
import type { Proposer, StateMachine } from './proposer.js';
import {
  type Commit,
  KINDS,
  type Kind,
  MAX_CHANGES,
  type ObjectTypes,
  type ReadView,
  type Store,
  type StoreEvent,
  type Watch,
  type WriteView,
} from './store.js';
import { drop, EMPTY_TABLES, put, type Tables } from './tables.js';
import { TablesBuilder } from './tables-builder.js';
import { TablesView } from './view.js';
import { Writer, type Written } from './writer.js';

export interface MemoryStoreOptions {
  readonly proposer: Proposer;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called with each object before it becomes visible: tests freeze them. */
  readonly onObject?: (object: ObjectTypes[Kind]) => void;
  /** Events that are kept: the same on all managers. 10,000 when left out. */
  readonly maxEvents?: number;
}

/** The starts of a thousand tasks, or weeks of a quiet swarm. */
const MAX_EVENTS = 10_000;

/** More objects of one transaction are counted, not named, in logs. */
const NAMED = 10;

/** Objects that are decoded and put into tables, a few milliseconds' work, before others have a turn. */
const RESTORED_IN_A_TURN = 64;

interface Watcher {
  readonly kinds: ReadonlySet<Kind>;
  readonly queue: AsyncQueue<Commit>;
}

/** Commits that a watcher may leave unread before it is cut off, so that a stuck one cannot eat the memory. */
const MAX_UNREAD = 20_000;

/**
 * The store over any Proposer. The state is a function of the log alone: an applied object is always
 * the one decoded from the entry, on the manager that proposed it too.
 */
export class MemoryStore implements Store, StateMachine {
  readonly #options: MemoryStoreOptions;
  readonly #writer: Writer;
  readonly #watchers = new Set<Watcher>();
  readonly #ring: EventRing;
  readonly #decoder = new ObjectDecoder();
  #tables: Tables = EMPTY_TABLES;
  #view = new TablesView(0, EMPTY_TABLES);
  #stopped = false;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    this.#ring = new EventRing({ scope: 'swarm', maxEvents: options.maxEvents ?? MAX_EVENTS });
    this.#writer = new Writer({
      draft: () => new Draft(this.#view.version, this.#tables, options.clock.now()),
      propose: (payload) => options.proposer.propose(payload),
      confirm: () => options.proposer.barrier(),
      onWritten: (written) => this.#logWritten(written),
    });
  }

  /** Restores what the log holds. Call once, before anything else. */
  async start(): Promise<void> {
    await this.#options.proposer.start(this);
    this.#options.log.info({ version: this.#view.version, tasks: this.#view.count('task') }, 'store is ready');
  }

  /** Waits for the running transaction, refuses those that wait and later ones, ends all watches, stops the proposer. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#writer.stop();
    for (const { queue } of this.#watchers) queue.end();
    this.#watchers.clear();
    this.#ring.close();
    await this.#options.proposer.stop();
  }

  view(): ReadView {
    return this.#view;
  }

  get events(): EventLog {
    return this.#ring;
  }

  update<T>(change: (draft: WriteView) => T, changeId?: string): Promise<T> {
    return this.#writer.submit(change, changeId);
  }

  async batch<I>(
    items: Iterable<I>,
    change: (draft: WriteView, item: I) => void,
    changeId?: string,
  ): Promise<{ readonly failed: ReadonlyMap<I, unknown> }> {
    const failed = new Map<I, unknown>();
    // What is submitted together shares log entries.
    for (const window of windows(items, MAX_CHANGES)) {
      const submitted = window.map((item) =>
        this.#writer.submit((draft) => {
          try {
            change(draft, item);
          } catch (error) {
            throw error instanceof SwarmError ? new ItemError(error) : error;
          }
        }, changeId),
      );
      for (const [index, result] of (await Promise.allSettled(submitted)).entries()) {
        if (result.status === 'fulfilled') continue;
        const error: unknown = result.reason;
        if (error instanceof ItemError) failed.set(window[index] as I, error.cause);
        else if (codeOf(error) === 'RESOURCE_EXHAUSTED') failed.set(window[index] as I, error);
        else throw error;
      }
    }
    return { failed };
  }

  watch(signal: AbortSignal, kinds: readonly Kind[] = KINDS): Watch {
    const queue = new AsyncQueue<Commit>();
    const watcher: Watcher = { kinds: new Set(kinds), queue };
    if (this.#stopped || signal.aborted) {
      queue.end();
      return { snapshot: this.#view, commits: queue };
    }
    this.#watchers.add(watcher);
    const end = () => {
      this.#watchers.delete(watcher);
      queue.drain();
      queue.end();
    };
    signal.addEventListener('abort', end, { once: true });
    return { snapshot: this.#view, commits: queue };
  }

  apply(index: number, payload: Uint8Array): void {
    const events: StoreEvent[] = [];
    let tables = this.#tables;
    const { changes, time } = StoreTransaction.decode(payload);
    for (const change of changes) {
      const kind = kindOf(change.kind);
      const old = tables.objects[kind].get(change.id);
      if (change.action === StoreChangeAction.PUT) {
        const object = this.#decode(kind, index, change.object);
        tables = put(tables, kind, object);
        events.push(old ? { action: 'update', kind, object, old } : { action: 'create', kind, object });
      } else {
        if (!old) throw new RangeError(`the log removes ${kind} ${change.id}, which is not there`);
        tables = drop(tables, kind, change.id);
        events.push({ action: 'remove', kind, object: removed(old, change.changeId) });
      }
    }
    this.#tables = tables;
    this.#view = new TablesView(index, tables);
    for (const event of events) {
      const happening = happeningOf(event, (nodeId) => tables.objects.node.get(nodeId)?.description.hostname);
      if (happening) this.#ring.append(happening, time);
    }
    this.#publish({ version: index, events });
  }

  snapshot(): { readonly chunks: Iterable<Uint8Array> } {
    return { chunks: chained(snapshotChunks(allObjects(this.#view)), eventChunks(this.#ring.capture())) };
  }

  async restore(index: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const builder = new TablesBuilder();
    const events: Event[] = [];
    let horizon: Horizon = { sequence: 0, timeMs: 0 };
    for await (const bytes of chunks) {
      const chunk = StoreSnapshotChunk.decode(bytes);
      if (chunk.format !== SNAPSHOT_FORMAT) {
        throw new RangeError(`snapshot format ${chunk.format} is not known to this version`);
      }
      for (const [count, stored] of chunk.objects.entries()) {
        if (count % RESTORED_IN_A_TURN === 0 && count > 0) await yieldToLoop();
        const kind = kindOf(stored.kind);
        const object = this.#decoder.decode(kind, stored.object);
        this.#options.onObject?.(object);
        builder.put(kind, object);
      }
      for (const event of chunk.events) events.push(event);
      horizon = chunk.horizon ?? horizon;
      // Chunks that are there already come without a turn of the event loop in between.
      await yieldToLoop();
    }
    this.#tables = builder.build();
    this.#ring.replace({ horizon, events });
    this.#view = new TablesView(index, this.#tables);
    for (const { queue } of this.#watchers) queue.fail(unavailable('the state has been replaced by a snapshot'));
    this.#watchers.clear();
  }

  #decode<K extends Kind>(kind: K, index: number, bytes: Uint8Array): ObjectTypes[K] {
    const decoded = this.#decoder.decode(kind, bytes);
    const object = { ...decoded, meta: { ...decoded.meta, version: index } };
    this.#options.onObject?.(object);
    return object;
  }

  #logWritten({ changeId, changes }: Written): void {
    const wrote = changes.slice(0, NAMED).map(({ action, kind, id }) => {
      return `${action === StoreChangeAction.REMOVE ? 'removed ' : ''}${kindOf(kind)} ${id}`;
    });
    const fields = { change: changeId, version: this.#view.version, wrote, objects: changes.length };
    this.#options.log.info(fields, 'written for an operator');
  }

  #publish(commit: Commit): void {
    for (const watcher of this.#watchers) {
      const events = commit.events.filter((event) => watcher.kinds.has(event.kind));
      if (events.length === 0) continue;
      if (watcher.queue.length < MAX_UNREAD) {
        watcher.queue.push({ version: commit.version, events });
        continue;
      }
      this.#watchers.delete(watcher);
      watcher.queue.drain();
      watcher.queue.fail(resourceExhausted(`a watcher has left ${MAX_UNREAD} commits unread and is cut off`));
    }
  }
}

function removed<T extends ObjectTypes[Kind]>(last: T, changeId: string): T {
  return changeId === '' ? last : { ...last, meta: { ...last.meta, changeId } };
}

/** Tells what an item's change threw from a failure to commit. */
class ItemError extends Error {
  constructor(cause: SwarmError) {
    super(cause.message, { cause });
  }
}

function* windows<I>(items: Iterable<I>, size: number): Generator<I[]> {
  let window: I[] = [];
  for (const item of items) {
    window.push(item);
    if (window.length < size) continue;
    yield window;
    window = [];
  }
  if (window.length > 0) yield window;
}

function* chained<T>(...parts: readonly Iterable<T>[]): Generator<T> {
  for (const part of parts) yield* part;
}

function* allObjects(view: ReadView): Generator<readonly [Kind, ObjectTypes[Kind]]> {
  for (const kind of KINDS) for (const object of view.list(kind)) yield [kind, object];
}
