import { aborted, alreadyExists, notFound } from '../../lib/errors.js';
import { type Meta, type StoreChange, StoreChangeAction } from '../../proto/gen/index.js';
import { encodeObject, OBJECT_KINDS } from './codec.js';
import { sameMessage } from './same-message.js';
import type { Kind, ObjectTypes, WriteView } from './store.js';
import { drop, nameOf, put, type Tables, UNIQUE_NAMES } from './tables.js';
import { TablesView } from './view.js';

/** Where a draft can be taken back to. */
export interface Savepoint {
  readonly tables: Tables;
  readonly changes: number;
  readonly bytes: number;
}

/**
 * A transaction in the making. Its writes replace its tables, so that an iteration begun before a
 * write goes on over the state that it was begun on.
 *
 * `meta.version` of what it writes is the version that the entry gets when nothing is put in the log
 * in between; the applied object carries the true one.
 */
export class Draft extends TablesView implements WriteView {
  /** Milliseconds since the epoch, for the timestamps of what is written. */
  readonly now: number;
  /** Of the operator's call for which it is written now; empty: none, and objects keep their own. */
  changeId = '';
  readonly #changes: StoreChange[] = [];
  #bytes = 0;

  constructor(version: number, tables: Tables, now: number) {
    super(version, tables);
    this.now = now;
  }

  get changes(): readonly StoreChange[] {
    return this.#changes;
  }

  /** About the size of the encoded transaction. */
  get bytes(): number {
    return this.#bytes;
  }

  create<K extends Kind>(kind: K, object: ObjectTypes[K]): ObjectTypes[K] {
    if (this.get(kind, object.id)) {
      throw alreadyExists(`a ${kind} with the id ${object.id} already exists`, { value: object.id });
    }
    this.#checkName(kind, object);
    return this.#put(kind, { ...object, meta: this.#meta(this.now, object.meta) });
  }

  update<K extends Kind>(kind: K, object: ObjectTypes[K]): ObjectTypes[K] {
    const stored = this.#existing(kind, object.id);
    if (object.meta.version !== stored.meta.version) {
      throw aborted(`${kind} ${nameOf(kind, stored) ?? object.id} has been changed by somebody else in the meantime`, {
        value: `version ${object.meta.version}`,
        hint: `Its version is ${stored.meta.version} now: read it again and repeat the change.`,
      });
    }
    if (sameMessage(kind, stored, { ...object, meta: stored.meta })) return stored;
    this.#checkName(kind, object);
    return this.#put(kind, { ...object, meta: this.#meta(stored.meta.createdAt, object.meta) });
  }

  remove(kind: Kind, id: string): void {
    this.#existing(kind, id);
    this.tables = drop(this.tables, kind, id);
    const { changeId } = this;
    this.#record({
      action: StoreChangeAction.REMOVE,
      kind: OBJECT_KINDS[kind],
      id,
      object: new Uint8Array(0),
      changeId,
    });
  }

  savepoint(): Savepoint {
    return { tables: this.tables, changes: this.#changes.length, bytes: this.#bytes };
  }

  rollback(to: Savepoint): void {
    this.tables = to.tables;
    this.#changes.length = to.changes;
    this.#bytes = to.bytes;
  }

  #put<K extends Kind>(kind: K, object: ObjectTypes[K]): ObjectTypes[K] {
    const bytes = encodeObject(kind, object);
    this.tables = put(this.tables, kind, object);
    this.#record({
      action: StoreChangeAction.PUT,
      kind: OBJECT_KINDS[kind],
      id: object.id,
      object: bytes,
      changeId: '',
    });
    return object;
  }

  #record(change: StoreChange): void {
    this.#changes.push(change);
    this.#bytes += change.object.length + change.id.length + 16;
  }

  #meta(createdAt: number, { changeId }: Meta): Meta {
    return { version: this.version + 1, createdAt, updatedAt: this.now, changeId: this.changeId || changeId };
  }

  #existing<K extends Kind>(kind: K, id: string): ObjectTypes[K] {
    const stored = this.get(kind, id);
    if (!stored) throw notFound(`there is no ${kind} with the id ${id}`, { value: id });
    return stored;
  }

  #checkName<K extends Kind>(kind: K, object: ObjectTypes[K]): void {
    if (!UNIQUE_NAMES.has(kind)) return;
    const name = nameOf(kind, object) ?? '';
    const holder = this.byName(kind, name).find((other) => other.id !== object.id);
    if (holder) throw alreadyExists(`a ${kind} named "${name}" already exists (${holder.id})`, { value: name });
  }
}
