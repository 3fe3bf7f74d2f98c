import type { Event, Horizon } from '../../lib/events/event.js';
import type { RingContents } from '../../lib/events/ring.js';
import {
  Cluster,
  Config,
  Network,
  Node,
  ObjectKind,
  Secret,
  Service,
  StoreChangeAction,
  StoreSnapshotChunk,
  Task,
  Volume,
} from '../../proto/gen/index.js';
import type { MessageType } from '../../proto/runtime.js';
import { KINDS, type Kind, type ObjectTypes } from './store.js';
import { TaskDecoder } from './task-codec.js';

/** The wire form of each kind, in transactions and snapshots. */
const CODECS: { readonly [K in Kind]: MessageType<ObjectTypes[K]> } = {
  cluster: Cluster,
  node: Node,
  service: Service,
  task: Task,
  network: Network,
  secret: Secret,
  config: Config,
  volume: Volume,
};

export const OBJECT_KINDS: Readonly<Record<Kind, ObjectKind>> = {
  cluster: ObjectKind.CLUSTER,
  node: ObjectKind.NODE,
  service: ObjectKind.SERVICE,
  task: ObjectKind.TASK,
  network: ObjectKind.NETWORK,
  secret: ObjectKind.SECRET,
  config: ObjectKind.CONFIG,
  volume: ObjectKind.VOLUME,
};

const kinds = new Map<ObjectKind, Kind>(KINDS.map((kind) => [OBJECT_KINDS[kind], kind]));

/** @throws RangeError for a kind that this version does not know */
export function kindOf(kind: ObjectKind): Kind {
  const known = kinds.get(kind);
  if (!known) throw new RangeError(`object kind ${kind} is not known to this version`);
  return known;
}

export const SNAPSHOT_FORMAT = 1;
/** Events in a chunk: about as many bytes as in one of objects. */
const CHUNK_EVENTS = 200;
/** Small enough that making or taking one in holds up nothing else. */
const CHUNK_BYTES = 64 * 1024;

/** Objects as encoded chunks of about 64 KiB; made while they are read. */
export function* snapshotChunks(objects: Iterable<readonly [Kind, ObjectTypes[Kind]]>): Generator<Uint8Array> {
  let pending: StoreSnapshotChunk['objects'][number][] = [];
  let size = 0;
  const flush = () =>
    StoreSnapshotChunk.encode({ format: SNAPSHOT_FORMAT, objects: pending, events: [], horizon: undefined });
  for (const [kind, object] of objects) {
    const bytes = encodeObject(kind, object);
    pending.push({
      action: StoreChangeAction.PUT,
      kind: OBJECT_KINDS[kind],
      id: object.id,
      object: bytes,
      changeId: '',
    });
    size += bytes.length;
    if (size < CHUNK_BYTES) continue;
    yield flush();
    pending = [];
    size = 0;
  }
  if (pending.length > 0) yield flush();
}

/** The newest events, and what is not known before them, likewise. */
export function* eventChunks({ horizon, events }: RingContents): Generator<Uint8Array> {
  let pending: Event[] = [];
  let head: Horizon | undefined = horizon;
  const flush = () =>
    StoreSnapshotChunk.encode({ format: SNAPSHOT_FORMAT, objects: [], events: pending, horizon: head });
  for (const event of events) {
    pending.push(event);
    if (pending.length < CHUNK_EVENTS) continue;
    yield flush();
    pending = [];
    head = undefined;
  }
  if (pending.length > 0 || head) yield flush();
}

export function encodeObject<K extends Kind>(kind: K, object: ObjectTypes[K]): Uint8Array {
  return CODECS[kind].encode(object);
}

/** Reads the objects of one store. */
export class ObjectDecoder {
  readonly #tasks = new TaskDecoder();

  decode<K extends Kind>(kind: K, bytes: Uint8Array): ObjectTypes[K] {
    if (kind === 'task') return this.#tasks.decode(bytes) as ObjectTypes[K];
    return CODECS[kind].decode(bytes);
  }
}
