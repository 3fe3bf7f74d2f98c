import type { NamespaceBlueprint, RouteBlueprint, RuleBlueprint } from '../blueprint/model.js';
import { TABLE_MAIN } from '../kernel/routes.js';
import { NODE_NAMESPACE, ROUTE_PROTOCOL } from '../names.js';
import type { ActualNamespace } from './actual.js';
import type { LinkPlan } from './links.js';
import type { Operation } from './operation.js';

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
