import { WatchEvent, WatchEventAction, type WatchMessage, type WatchRequest } from '../../proto/gen/index.js';
import { kindOf } from '../store/codec.js';
import {
  isEvent,
  KINDS,
  type Kind,
  type ObjectTypes,
  type ReadView,
  type Store,
  type StoreEvent,
} from '../store/store.js';
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
    for (const object of request.serviceId ? ofService(snapshot, request.serviceId, kind) : snapshot.list(kind)) {
      events.push(eventOf(WatchEventAction.PRESENT, kind, object));
      if (events.length < PAGE) continue;
      yield { events, synced: false, version: snapshot.version };
      events = [];
    }
  }
  yield { events, synced: true, version: snapshot.version };
  for await (const commit of commits) {
    const matching = commit.events.filter((event) => concerns(request.serviceId, event));
    if (matching.length === 0) continue;
    yield {
      events: matching.map((event) => eventOf(ACTIONS[event.action], event.kind, event.object)),
      synced: false,
      version: commit.version,
    };
  }
}

/** A service itself, or its tasks: by their index, since a swarm may have many others. */
function ofService(view: ReadView, serviceId: string, kind: Kind): Iterable<ObjectTypes[Kind]> {
  if (kind === 'task') return view.tasksOfService(serviceId);
  const service = view.get('service', serviceId);
  return service ? [service] : [];
}

function concerns(serviceId: string, event: StoreEvent): boolean {
  if (serviceId === '') return true;
  return isEvent(event, 'task') ? event.object.serviceId === serviceId : event.object.id === serviceId;
}

function eventOf<K extends Kind>(action: WatchEventAction, kind: K, object: ObjectTypes[K]): WatchEvent {
  return WatchEvent.create({ action, [kind]: redact(kind, object) });
}
