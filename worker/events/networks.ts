import { Attributes, type Happening } from '../../lib/events/event.js';
import type { LocalNetwork, StoredContainer, StoredEndpoint } from '../../proto/gen/index.js';
import type { RunnerContext } from '../containers/runner-context.js';
import type { LocalEvents } from './local-events.js';

export function networkHappening(action: 'create' | 'destroy', { id, spec }: LocalNetwork): Happening {
  const { values } = new Attributes().set('name', spec.name).set('type', spec.driver);
  return { type: 'network', action, id, attributes: values };
}

/**
 * A store of one container that tells of its endpoints when they are on record: these may be in use before.
 * @param stored as it is on record now
 */
export function tellingStore(
  store: RunnerContext['store'],
  stored: StoredContainer,
  events: LocalEvents,
): RunnerContext['store'] {
  let told = stored.endpoints;
  const telling = (put: (next: StoredContainer) => Promise<void>) => async (next: StoredContainer) => {
    await put(next);
    const before = told;
    told = next.endpoints;
    for (const happening of endpointChanges(next.id, before, next.endpoints)) events.tell(happening);
  };
  return {
    put: telling((next) => store.put(next)),
    putIfRoom: telling((next) => store.putIfRoom(next)),
    delete: (id) => store.delete(id),
  };
}

/** What it means to networks that a container has other endpoints now. */
function endpointChanges(
  container: string,
  before: readonly StoredEndpoint[],
  now: readonly StoredEndpoint[],
): readonly Happening[] {
  const missing = (from: readonly StoredEndpoint[], others: readonly StoredEndpoint[]) =>
    from.filter(({ endpoint }) => !others.some((other) => other.endpoint.networkId === endpoint.networkId));
  const happening = (action: string, { endpoint }: StoredEndpoint): Happening => {
    const attributes = new Attributes().set('container', container).set('name', endpoint.networkName);
    return {
      type: 'network',
      action,
      id: endpoint.networkId,
      attributes: attributes.set('type', endpoint.driver).values,
    };
  };
  return [
    ...missing(before, now).map((endpoint) => happening('disconnect', endpoint)),
    ...missing(now, before).map((endpoint) => happening('connect', endpoint)),
  ];
}
