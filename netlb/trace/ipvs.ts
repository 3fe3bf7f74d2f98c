/** What IPVS makes of a packet that is for a namespace itself: the service of its mark, and who may get it. */
import { familyOf } from '../../lib/ip.js';
import { Ipvs, type IpvsSettings, ipvsServiceName } from '../kernel/ipvs.js';
import type { NetNamespace } from '../kernel/namespace.js';
import { INGRESS_NAMESPACE } from '../names.js';
import type { Candidate } from './hop.js';
import { inside } from './neighbour.js';
import type { HookPacket } from './packet.js';
import { endOf, type Place, type Walk } from './walk.js';

/** A service by firewall mark. */
export interface IpvsAnswer {
  readonly settings: IpvsSettings;
  readonly destinations: readonly {
    readonly address: string;
    /** 0: as it was. */
    readonly port: number;
    /** 0: keeps its connections, gets no new ones. */
    readonly weight: number;
    readonly activeConnections: number;
  }[];
}

/** Null without IPVS, and without a service of this mark. @throws KernelError */
export function readIpvs(namespace: NetNamespace, id: { family: 4 | 6; mark: number }): IpvsAnswer | null {
  const ipvs = Ipvs.open(namespace);
  if (!ipvs) return null;
  try {
    const service = ipvs.service(id);
    if (!service) return null;
    const destinations = ipvs.destinations(id).map(({ address, port, weight, activeConnections }) => {
      return { address, port, weight, activeConnections };
    });
    return { settings: service.settings, destinations };
  } finally {
    ipvs.close();
  }
}

/**
 * The packet as IPVS sends it on from an ingress_sbox, behind its input rules; undefined when none takes it. Whom a new
 * connection goes to depends on its scheduler and on those that there are: the preferred one is taken, or else the first
 * that takes new ones, and all that do are named.
 */
export function balancedByIpvs(walk: Walk, place: Place, packet: HookPacket): HookPacket | undefined {
  if (place.namespace !== INGRESS_NAMESPACE || packet.mark === 0 || packet.state !== 'new') return undefined;
  const id = { family: familyOf(packet.destination), mark: packet.mark };
  const service = walk.book.get(place.node, { kind: 'ipvs', namespace: place.namespace, ...id });
  if (!service) return undefined;
  const { settings, destinations } = service;
  const name = ipvsServiceName(id);
  const details = {
    service: name,
    scheduler: settings.scheduler,
    ...(settings.persistence > 0 ? { persistence: `${settings.persistence} s` } : {}),
  };
  const open = destinations.filter(({ weight }) => weight > 0);
  const chosen = open.find(({ address }) => address === walk.prefer) ?? open[0];
  if (!chosen)
    walk.lose(place, {
      kind: 'balancer',
      title: `IPVS ${name} has nobody`,
      details,
      reason:
        destinations.length === 0
          ? `the IPVS service ${name} has no destination`
          : `no destination of the IPVS service ${name} takes new connections: all ${destinations.length} have weight 0`,
      hint: `Look: ${inside(place)} ipvsadm -Ln`,
    });
  const after: HookPacket = {
    ...packet,
    destination: chosen.address,
    destinationPort: chosen.port || packet.destinationPort,
    translated: [...packet.translated, 'dnat'],
    local: false,
  };
  walk.changes.push({ place, before: packet, after });
  const candidates = [chosen, ...open.filter((one) => one !== chosen)].map((one): Candidate => {
    const endpoint = walk.directory.endpoints.find(({ address }) => address === one.address);
    return {
      address: one.address,
      port: one.port || packet.destinationPort,
      weight: one.weight,
      owner: endpoint?.owner ?? '',
      node: endpoint ? walk.nodeName(endpoint.node) : '',
      taken: one === chosen,
    };
  });
  const from = endOf(packet.destination, packet.destinationPort);
  walk.add(place, {
    kind: 'balancer',
    title: `IPVS ${name} ${from} → ${endOf(after.destination, after.destinationPort)}`,
    details,
    candidates,
  });
  return after;
}
