import { WatchEvent, WatchEventAction, type WatchMessage, type WatchRequest } from '../../proto/gen/index.js';
import { kindOf } from '../store/codec.js';
import { isEvent, KINDS, type Kind, type ObjectTypes, type Store, type StoreEvent } from '../store/store.js';
import { redact } from './redact.js';

const ACTIONS = {
  create: WatchEventAction.CREATED,
  update: WatchEventAction.UPDATED,
  remove: WatchEventAction.REMOVED,
} as const;

/** Objects in one message of the first state: what follows goes into further ones, the last has `synced`. */
const PAGE = 2_000;

/** @throws RESOURCE_EXHAUSTED when the caller does not keep up: it begins anew */
export async function* watchObjects(
  store: Store,
  request: WatchRequest,
  signal: AbortSignal,
): AsyncGenerator<WatchMessage> {
  const asked: readonly Kind[] = request.kinds.length > 0 ? request.kinds.map(kindOf) : KINDS;
  const kinds = request.serviceId ? asked.filter((kind) => kind === 'service' || kind === 'task') : asked;
  const { snapshot, commits } = store.watch(signal, kinds);
  let events: WatchEvent[] = [];
  for (const kind of kinds) {
    for (const object of snapshot.list(kind)) {
      if (!concerns(request.serviceId, kind, object)) continue;
      events.push(eventOf(WatchEventAction.PRESENT, kind, object));
      if (events.length < PAGE) continue;
      yield { events, synced: false, version: snapshot.version };
      events = [];
    }
  }
  yield { events, synced: true, version: snapshot.version };
  for await (const commit of commits) {
    const matching = commit.events.filter((event) => concernsEvent(request.serviceId, event));
    if (matching.length === 0) continue;
    yield {
      events: matching.map((event) => eventOf(ACTIONS[event.action], event.kind, event.object)),
      synced: false,
      version: commit.version,
    };
  }
}

function concernsEvent(serviceId: string, event: StoreEvent): boolean {
  return concerns(serviceId, event.kind, event.object);
}

function concerns<K extends Kind>(serviceId: string, kind: K, object: ObjectTypes[K]): boolean {
  if (serviceId === '') return true;
  const event = { action: 'update', kind, object } as StoreEvent;
  return isEvent(event, 'task') ? event.object.serviceId === serviceId : object.id === serviceId;
}

function eventOf<K extends Kind>(action: WatchEventAction, kind: K, object: ObjectTypes[K]): WatchEvent {
  return WatchEvent.create({ action, [kind]: redact(kind, object) });
}
