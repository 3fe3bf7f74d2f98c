import { addressOf } from '../../lib/ip.js';
import { flattenedList } from '../../lib/kept-list.js';
import { rememberedOf } from '../../lib/remembered.js';
import { guardedVnis, wornAssociations } from '../blueprint/encryption.js';
import type { Facts, KernelFacts } from '../blueprint/facts.js';
import { type Foreign, type ForeignSubnet, isTaken } from '../blueprint/foreign.js';
import { ANY, SPARED_SET } from '../blueprint/ports.js';
import type { Listener } from '../kernel/listeners.js';
import type { Link } from '../kernel/rtnetlink.js';
import {
  acceptRouters,
  GATEWAY_BRIDGE,
  INGRESS_NAMESPACE,
  LINK_GROUP,
  NODE_NAMESPACE,
  ROUTE_PROTOCOL,
  TABLE,
} from '../names.js';
import { type Family, ipName } from '../nft/family.js';
import type { ActualSet, ActualTable } from '../nft/table.js';
import { type ActualNamespace, type ActualState, NOTHING_ACTUAL } from '../plan/actual.js';
import type { DesiredState } from '../state.js';
import { linksWithRouters } from './read.js';

/** What a blueprint takes from the kernel. Pure. */
export function factsOf(
  desired: DesiredState,
  actual: ActualState,
  kernel: KernelFacts,
  listeners: readonly Listener[],
  resolverPorts: Facts['resolverPorts'],
  noEncryption: string | undefined,
): Facts {
  const node = actual.namespaces.get(NODE_NAMESPACE) ?? NOTHING_ACTUAL;
  const underlay = node.addresses.find(({ cidr }) => addressOf(cidr) === desired.underlay?.address);
  const underlayLink = node.links.find(({ index }) => index === underlay?.index);
  const gatewayInterfaces = interfacesOnGateway(node.links);
  return {
    underlayMtu: underlayLink?.mtu,
    underlayLink: underlay && underlayLink && { name: underlayLink.name, cidr: underlay.cidr },
    address6: globalAddress6(node, underlay?.index),
    bridgeNetfilter: new Set(([4, 6] as const).filter((family) => node.sysctls.get(BRIDGE_NETFILTER[family]) === '1')),
    ...kernel,
    gatewayAddresses: gatewayAddresses(gatewayInterfaces, actual),
    gatewayInterfaces,
    bridgeAddresses: bridgeAddresses(node),
    foreign: foreignOf(node),
    routerLearners: routerLearners(node),
    firewalls: node.firewalls,
    stateful: node.stateful,
    marks: marksIn(actual.namespaces.get(INGRESS_NAMESPACE)?.tables.get(`ip ${TABLE}`)),
    entries: entriesIn(node.tables),
    occupation: { listeners, held: heldIn(node.tables), spared: sparedIn(node.tables) },
    resolverPorts,
    encryption: {
      missing: noEncryption,
      guarded: guardedVnis(desired, node.tables.get(`ip ${TABLE}`)),
      worn: wornAssociations(node.encryption.associations),
    },
  };
}

/** The first of the preferred link's, or else of the first link that has one. */
function globalAddress6({ links, addresses }: ActualNamespace, preferred: number | undefined): string | undefined {
  const foreign = new Set(links.filter((link) => !isOurs(link)).map(({ index }) => index));
  const usable = addresses.filter((a) => a.family === 6 && a.scope === 0 && !a.tentative && foreign.has(a.index));
  const [first] = [...usable.filter(({ index }) => index === preferred), ...usable];
  return first && addressOf(first.cidr);
}

const BRIDGE_NETFILTER = {
  4: 'net/bridge/bridge-nf-call-iptables',
  6: 'net/bridge/bridge-nf-call-ip6tables',
} as const;

const isOurs = ({ group }: Link): boolean => group === LINK_GROUP;

/** By namespace; the ports on the gateway bridge tell. */
function interfacesOnGateway(links: readonly Link[]): Map<string, string> {
  const bridge = links.find(({ name }) => name === GATEWAY_BRIDGE)?.index;
  const ports = links.filter((link) => isOurs(link) && link.master === bridge);
  return new Map(ports.map(({ alias }) => alias.split(' ')).map(([owner = '', name = '']) => [owner, name]));
}

function gatewayAddresses(interfaces: ReadonlyMap<string, string>, actual: ActualState): Map<string, string> {
  const addresses = new Map<string, string>();
  for (const [id, name] of interfaces) {
    const namespace = actual.namespaces.get(id);
    const link = namespace?.links.find((candidate) => candidate.name === name);
    const address = namespace?.addresses.find(({ index, family }) => index === link?.index && family === 4);
    if (link && address) addresses.set(id, address.cidr);
  }
  return addresses;
}

function bridgeAddresses({ links, addresses }: ActualNamespace): Map<string, string[]> {
  const ours = links.filter((link) => isOurs(link) && link.kind === 'bridge');
  return new Map(
    ours.map(({ name, index }) => [name, addresses.filter((a) => a.index === index).map(({ cidr }) => cidr)]),
  );
}

/** Where the kernel itself listens to routers; a network manager that does has set `accept_ra` to 0. */
const routerLearners = ({ links, routes, sysctls }: ActualNamespace): string[] =>
  linksWithRouters(links, routes).filter((name) => (sysctls.get(acceptRouters(name)) ?? '0') !== '0');

function foreignOf({ links, addresses, routes }: ActualNamespace): Foreign {
  const byIndex = new Map(links.map((link) => [link.index, link]));
  const isForeign = (index: number | undefined): boolean => {
    const link = index === undefined ? undefined : byIndex.get(index);
    return link === undefined || !isOurs(link);
  };
  const nameOf = (index: number | undefined): string => byIndex.get(index ?? 0)?.name ?? '';
  const subnets: ForeignSubnet[] = [
    ...addresses
      .filter(({ index }) => isForeign(index))
      .map(({ cidr, index }) => ({ cidr, what: `the address ${cidr} of ${nameOf(index)}` })),
    ...routes
      .filter(({ index, protocol }) => isForeign(index) && protocol !== ROUTE_PROTOCOL)
      .map(({ destination, via, index }) => ({
        cidr: destination,
        what: ['the route', destination, ...(via ? ['via', via] : []), ...(index ? ['dev', nameOf(index)] : [])].join(
          ' ',
        ),
      })),
  ];
  return {
    links: new Map(links.filter((link) => !isOurs(link)).map(({ name, kind }) => [name, kind])),
    subnets: subnets.filter(({ cidr }) => isTaken(cidr)),
  };
}

/** From the map `6 . 8080 : 256` of the ingress sandbox's table. */
export const marksIn = (table: ActualTable | undefined): ReadonlyMap<string, number> =>
  marksOf(table?.sets.get('marks') ?? NO_SET);

const NO_SET: Pick<ActualSet, 'elements'> = { elements: [] };

const marksOf = rememberedOf(
  ({ elements }: typeof NO_SET): ReadonlyMap<string, number> =>
    new Map(
      elements.map((element) => {
        const [key = '', mark] = element.split(' : ');
        return [key, Number(mark)];
      }),
    ),
);

/**
 * From the maps `192.0.2.7 . 6 . 8080 : 172.18.0.2 . 8080` of the node's tables, and `6 . 8080 : 172.18.0.2 . 8080`,
 * which is for all addresses of the family.
 */
export function entriesIn(tables: ReadonlyMap<string, ActualTable>): ReadonlyMap<string, number> {
  const entries = ([4, 6] as const).flatMap((family) => {
    const setOf = (name: string) => tables.get(`${ipName[family]} ${TABLE}`)?.sets.get(name) ?? NO_SET;
    return [entriesEverywhere[family](setOf('ingress_ports')), entriesAtOne(setOf('ingress_ports_at'))];
  });
  return allEntries(entries);
}

type Entry = readonly [string, number];

const entryOf = (element: string): Entry => {
  const [key = '', value = ''] = element.split(' : ');
  return [key, Number(value.split(' . ')[1])];
};
const everywhereOver = (family: Family) =>
  rememberedOf(({ elements }: typeof NO_SET): readonly Entry[] =>
    elements.map((element) => entryOf(`${ANY[family]} . ${element}`)),
  );
const entriesEverywhere = { 4: everywhereOver(4), 6: everywhereOver(6) };
const entriesAtOne = rememberedOf(({ elements }: typeof NO_SET): readonly Entry[] => elements.map(entryOf));

/** The same object for the same lists. */
function mapOfLists<V>(): (lists: readonly (readonly (readonly [string, V])[])[]) => ReadonlyMap<string, V> {
  const joined = flattenedList((list: readonly (readonly [string, V])[]) => list);
  const mapOf = rememberedOf((entries: readonly (readonly [string, V])[]): ReadonlyMap<string, V> => new Map(entries));
  return (lists) => mapOf(joined(lists));
}
const allEntries = mapOfLists<number>();

/**
 * What the node's rules lead where: the elements of its sets of published ports, by family and key
 * (`ip 6 . 8080`, `ip6 fd00::1 . 6 . 8080`), with the map's value, or nothing for the mesh's.
 */
export function heldIn(tables: ReadonlyMap<string, ActualTable>): ReadonlyMap<string, string> {
  return allHeld(
    ([4, 6] as const).flatMap((family) => {
      const setOf = (name: string) => tables.get(`${ipName[family]} ${TABLE}`)?.sets.get(name) ?? NO_SET;
      const { mesh, host } = heldOver[family];
      return [
        ...['ingress_ports', 'ingress_ports_at'].map(setOf).map(mesh),
        ...['host_ports', 'host_ports_at'].map(setOf).map(host),
      ];
    }),
  );
}

/** What of published ports the node's rules leave to processes: `ip 127.0.0.1 . 6 . 8080`. */
const sparedIn = (tables: ReadonlyMap<string, ActualTable>): ReadonlySet<string> =>
  new Set(
    ([4, 6] as const).flatMap((family) => {
      const set = tables.get(`${ipName[family]} ${TABLE}`)?.sets.get(SPARED_SET) ?? NO_SET;
      return set.elements.map((element) => `${ipName[family]} ${element}`);
    }),
  );

const heldBy = (family: Family, leadsTo: (value: string) => string) =>
  rememberedOf(({ elements }: typeof NO_SET): readonly (readonly [string, string])[] =>
    elements.map((element) => {
      const [key = '', value = ''] = element.split(' : ');
      return [`${ipName[family]} ${key}`, leadsTo(value)];
    }),
  );
const heldEach = (family: Family) => ({ mesh: heldBy(family, () => ''), host: heldBy(family, (value) => value) });
const heldOver = { 4: heldEach(4), 6: heldEach(6) };
const allHeld = mapOfLists<string>();
