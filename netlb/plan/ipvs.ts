/** What IPVS has and should have: services by mark and their destinations. Pure. */
import type { IpvsServiceBlueprint, NamespaceBlueprint } from '../blueprint/model.js';
import { type IpvsDestination, type IpvsServiceId, type IpvsSettings, ipvsServiceName } from '../kernel/ipvs.js';
import type { ActualIpvs, ActualNamespace } from './actual.js';
import type { Action, Operation } from './operation.js';

export interface IpvsPlan {
  /** To be done before packets are marked for it. */
  readonly before: readonly Operation[];
  /** To be done when no packet is marked for it any more. */
  readonly after: readonly Operation[];
}

const NONE: ActualIpvs = { timeouts: { tcp: 0, tcpFin: 0, udp: 0 }, services: new Map() };

/** Services and destinations that are right are not touched. */
export function planIpvs(wanted: NamespaceBlueprint, { ipvs: now = NONE }: ActualNamespace): IpvsPlan {
  const operations = (actions: readonly Action[]) =>
    actions.map((action): Operation => ({ subject: wanted.subject, namespace: wanted.name, ...action }));
  const services = wanted.ipvs?.services ?? [];
  const timeouts = wanted.ipvs?.timeouts;
  const isTimely = timeouts === undefined || same(timeouts, now.timeouts);
  const names = new Set(services.map(({ id }) => ipvsServiceName(id)));
  const stale = [...now.services].filter(([name]) => !names.has(name)).map(([, { id }]) => id);
  const changes = services.map((service) => planService(service, now));
  return {
    before: operations([
      ...(isTimely ? [] : [{ kind: 'set-ipvs-timeouts', timeouts } as const]),
      ...changes.flatMap(({ before }) => before),
    ]),
    after: operations([
      ...changes.flatMap(({ after }) => after),
      ...stale.map((service) => ({ kind: 'remove-ipvs-service', service }) as const),
    ]),
  };
}

function planService(wanted: IpvsServiceBlueprint, actual: ActualIpvs): { before: Action[]; after: Action[] } {
  const { id, settings } = wanted;
  const now = actual.services.get(ipvsServiceName(id));
  if (!now) return { before: [{ kind: 'add-ipvs-service', service: wanted }], after: [] };
  const existing = new Map(now.destinations.map((destination) => [destinationKey(destination), destination]));
  const keys = new Set(wanted.destinations.map(destinationKey));
  const added = wanted.destinations.filter((destination) => !existing.has(destinationKey(destination)));
  const changed = wanted.destinations.filter((destination) => {
    const found = existing.get(destinationKey(destination));
    return found !== undefined && !sameDestination(destination, found);
  });
  const gone = now.destinations.filter((destination) => !keys.has(destinationKey(destination)));
  return {
    before: [
      ...(sameSettings(settings, now.settings)
        ? []
        : [{ kind: 'set-ipvs-service', service: { id, settings } } as const]),
      ...some('add-ipvs-destinations', id, added),
      ...some('set-ipvs-destinations', id, changed),
    ],
    after: some('remove-ipvs-destinations', id, gone),
  };
}

type DestinationsKind = 'add-ipvs-destinations' | 'set-ipvs-destinations' | 'remove-ipvs-destinations';

const some = (kind: DestinationsKind, service: IpvsServiceId, destinations: readonly IpvsDestination[]): Action[] =>
  destinations.length > 0 ? [{ kind, service, destinations }] : [];

/** One address can be there with several ports. */
const destinationKey = ({ address, port }: IpvsDestination): string => `${address} ${port}`;

const same = (a: ActualIpvs['timeouts'], b: ActualIpvs['timeouts']): boolean =>
  a.tcp === b.tcp && a.tcpFin === b.tcpFin && a.udp === b.udp;

const sameSettings = (a: IpvsSettings, b: IpvsSettings): boolean =>
  a.scheduler === b.scheduler && a.persistence === b.persistence && a.flags === b.flags;

const sameDestination = (a: IpvsDestination, b: IpvsDestination): boolean =>
  a.weight === b.weight && a.masquerade === b.masquerade && a.limit === b.limit;
