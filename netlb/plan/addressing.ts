import { familyOf, formatCidr, parseCidr } from '../../lib/ip.js';
import type { NamespaceBlueprint, RouteBlueprint, RuleBlueprint, Subject } from '../blueprint/model.js';
import { TABLE_MAIN } from '../kernel/routes.js';
import { NODE_NAMESPACE, ROUTE_PROTOCOL } from '../names.js';
import type { ActualNamespace } from './actual.js';
import type { LinkPlan } from './links.js';
import type { Operation } from './operation.js';

/** RTPROT_KERNEL: as the kernel's own routes, of which nobody asks who set them. */
const PROTOCOL_KERNEL = 2;
/** The kernel gives every interface an IPv6 address of this scope by itself. */
const SCOPE_LINK = 253;

/** Addresses, routes, rules and static neighbours of one namespace. */
export function planAddressing(
  wanted: NamespaceBlueprint,
  actual: ActualNamespace,
  links: LinkPlan,
  spared: ReadonlySet<string>,
): Operation[] {
  const { subject, name: namespace } = wanted;
  const base = { subject, namespace };
  /** Index of a link that stays as it is. */
  const indexOf = (name: string): number | undefined =>
    links.made.has(name) ? undefined : actual.links.find((link) => link.name === name)?.index;
  const addressesOf = (name: string): string[] => {
    const index = indexOf(name);
    return actual.addresses.filter((a) => a.index === index && a.scope !== SCOPE_LINK).map(({ cidr }) => cidr);
  };
  const usable = ({ interface: name }: { readonly interface: string }) => !links.foreign.has(name);
  const destinations = new Set(wanted.routes.map(({ destination }) => destination));
  return [
    // Those of tunnels come first: where both are told of one address, the kernel keeps to the first.
    ...[...wanted.vxlans, ...wanted.bridges]
      .filter(({ name }) => !links.foreign.has(name))
      .flatMap(({ name: link, subject, addresses }): Operation[] => {
        const current = addressesOf(link);
        return [
          ...current.filter((cidr) => !addresses.includes(cidr)).map((cidr) => ({ ...remove(link, cidr), subject })),
          ...addresses.filter((cidr) => !current.includes(cidr)).map((cidr) => ({ ...add(link, cidr), subject })),
        ];
      }),
    // A container may have given its interfaces more addresses: those stay.
    ...wanted.interfaces
      .filter(({ name }) => !links.foreign.has(name))
      .flatMap(({ name, addresses }) => {
        const current = addressesOf(name);
        return addresses.filter((cidr) => !current.includes(cidr)).map((cidr) => add(name, cidr));
      }),
    ...wanted.neighbours
      .filter(usable)
      .filter(({ address, mac, interface: name }) => {
        const index = indexOf(name);
        return !actual.neighbours.some(
          (n) => n.index === index && n.address === address && n.mac === mac && n.permanent,
        );
      })
      .map((neighbour): Operation => ({ ...base, kind: 'set-neighbour', neighbour })),
    ...actual.routes
      .filter(({ protocol }) => namespace === NODE_NAMESPACE && protocol === ROUTE_PROTOCOL)
      .filter(({ destination }) => !destinations.has(destination) && !spared.has(destination))
      .map(({ destination, index }): Operation => ({ ...base, kind: 'remove-route', destination, index })),
    ...lostOwnRoutes(wanted, actual, indexOf)
      .filter(usable)
      .map((route): Operation => ({ ...base, subject: route.subject ?? subject, kind: 'set-route', route })),
    ...wanted.routes
      .filter(usable)
      .filter((route) => !actual.routes.some((now) => isRoute(now, route, indexOf(route.interface))))
      .map((route): Operation => ({ ...base, subject: route.subject ?? subject, kind: 'set-route', route })),
    ...[...lostMainRules(actual), ...wanted.rules]
      .filter((rule) => !actual.rules.some((now) => isRule(now, rule)))
      .map((rule): Operation => ({ ...base, kind: 'add-rule', rule })),
  ];

  function add(link: string, cidr: string): Operation {
    return { ...base, kind: 'add-address', link, cidr };
  }
  function remove(link: string, cidr: string): Operation {
    return { ...base, kind: 'remove-address', link, cidr };
  }
}

const isRoute = (
  now: ActualNamespace['routes'][number],
  { destination, via, onlink, table, mtu, protocol }: RouteBlueprint,
  index: number | undefined,
): boolean =>
  index !== undefined &&
  now.index === index &&
  now.destination === destination &&
  now.via === via &&
  now.onlink === onlink &&
  now.table === table &&
  now.mtu === mtu &&
  (protocol === undefined || now.protocol === protocol);

/**
 * The kernel makes one with each address, and takes it away with that alone: where somebody else did (`ip route flush`), an
 * address stands without a way to its neighbours. An address that is yet to be given brings its own, and so does a link
 * that is yet to come up.
 */
function lostOwnRoutes(
  wanted: NamespaceBlueprint,
  { links, addresses, routes }: ActualNamespace,
  indexOf: (name: string) => number | undefined,
): RouteBlueprint[] {
  const lost = (link: { readonly name: string; readonly addresses: readonly string[] }, subject?: Subject) => {
    const index = indexOf(link.name);
    if (!links.some((now) => now.index === index && now.up && now.running)) return [];
    const own = addresses
      .filter(({ index: at, cidr, noPrefixRoute }) => at === index && !noPrefixRoute && link.addresses.includes(cidr))
      .map(({ cidr }) => ({ block: parseCidr(cidr), source: cidr.slice(0, cidr.indexOf('/')) }))
      .filter(({ block: { family, prefix } }) => prefix < (family === 4 ? 32 : 128));
    // Of two addresses in one subnet the first is the source.
    const sources = new Map(own.reverse().map(({ block, source }) => [formatCidr(block), source]));
    return [...sources]
      .filter(([destination]) => !routes.some((now) => now.index === index && now.destination === destination))
      .map(([destination, source]) => ({
        destination,
        via: undefined,
        interface: link.name,
        onlink: false,
        table: TABLE_MAIN,
        mtu: undefined,
        protocol: PROTOCOL_KERNEL,
        ...(familyOf(source) === 4 && { source }),
        ...(subject && { subject }),
      }));
  };
  return [
    ...(wanted.name === NODE_NAMESPACE ? wanted.bridges.flatMap((bridge) => lost(bridge, bridge.subject)) : []),
    ...wanted.interfaces.flatMap((item) => lost(item)),
  ];
}

/** The kernel makes it with a namespace, for each family that it has. */
const MAIN_RULE = { priority: 32_766, table: TABLE_MAIN, fwmark: undefined, fwmask: undefined };

/** Where it was taken away (`ip rule flush` leaves the one for local addresses alone), no route of ours leads anywhere. */
function lostMainRules({ rules }: ActualNamespace): RuleBlueprint[] {
  const of = (family: 4 | 6) => rules.filter((rule) => rule.family === family);
  return ([4, 6] as const)
    .filter((family) => of(family).length > 0 && !of(family).some(({ table }) => table === TABLE_MAIN))
    .map((family) => ({ family, ...MAIN_RULE }));
}

const isRule = (now: ActualNamespace['rules'][number], rule: NamespaceBlueprint['rules'][number]): boolean =>
  now.family === rule.family &&
  now.priority === rule.priority &&
  now.table === rule.table &&
  now.fwmark === rule.fwmark &&
  now.fwmask === rule.fwmask;
