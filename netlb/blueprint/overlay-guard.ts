/**
 * In an overlay's namespace: frames whose inner source address is of another network are dropped where they come
 * in, from a task of this node or from another node. Only what an ingress_sbox sends has sources from outside; it
 * is known by its MAC, which nobody else on this node may use.
 */
import { familyOf, formatCidr, parseCidr } from '../../lib/ip.js';
import { INGRESS_NAMESPACE, overlayNamespace, TABLE, VXLAN_DEVICE } from '../names.js';
import { type Chain, priorities, type Table } from '../nft/table.js';
import type { DesiredState } from '../state.js';
import { sandboxMacs } from './endpoints.js';
import type { NamespaceBlueprint } from './model.js';

/**
 * Overlays with their guards.
 * @param all namespaces of which overlays are some and ingress_sbox may be one
 */
export function guarded(
  all: readonly NamespaceBlueprint[],
  { overlays, ingress }: Pick<DesiredState, 'overlays' | 'ingress'>,
): NamespaceBlueprint[] {
  const byName = new Map(overlays.map((overlay) => [overlayNamespace(overlay.id), overlay]));
  const sandbox = all.find(({ name }) => name === INGRESS_NAMESPACE);
  return all.map((namespace) => {
    const overlay = byName.get(namespace.name);
    if (!overlay) return namespace;
    const link = sandbox?.interfaces.find(({ port }) => port.namespace === namespace.name);
    // It is there as it was, and cannot be described: what it sends must pass.
    if (!link && ingress?.overlayId === overlay.id) return namespace;
    const guard = overlayGuard({
      gateways: overlay.gateways,
      sandboxes: sandboxMacs(overlay),
      own: link && { mac: link.mac, port: link.port.name },
    });
    return guard ? { ...namespace, tables: [...namespace.tables, guard] } : namespace;
  });
}

interface OverlayGuardInput {
  /** CIDRs of the network's gateways: its subnets. */
  readonly gateways: readonly string[];
  /** MACs of the ingress_sbox of other nodes. */
  readonly sandboxes: readonly string[];
  /** This node's own ingress_sbox, if it is in this network. */
  readonly own: { readonly mac: string; readonly port: string } | undefined;
}

/** Undefined when nothing is known that could be a rule. */
function overlayGuard({ gateways, sandboxes, own }: OverlayGuardInput): Table | undefined {
  const exceptions = exceptionsOf(sandboxes, own);
  const rules = [...exceptions.map(({ rule }) => rule), ...sourceRules(gateways)];
  if (rules.length === 0) return undefined;
  return {
    family: 'bridge',
    name: TABLE,
    sets: [{ name: SANDBOXES, key: 'ether_addr', keep: 'exact', elements: macs(sandboxes, own) }],
    chains: [
      ...exceptions.map(({ chain }) => chain),
      {
        name: 'sources',
        base: { type: 'filter', hook: 'prerouting', priority: priorities.raw, policy: 'accept' },
        rules,
      },
    ],
  };
}

const SANDBOXES = 'ingress_sandboxes';

const macs = (sandboxes: readonly string[], own: OverlayGuardInput['own']): string[] =>
  [...new Set([...sandboxes, ...(own ? [own.mac] : [])])].sort();

/** A frame's MAC is looked up first: most are no sandbox's, and to compare names of interfaces costs more. */
function exceptionsOf(sandboxes: readonly string[], own: OverlayGuardInput['own']) {
  if (sandboxes.length === 0 && !own) return [];
  const rules = [
    `iifname "${VXLAN_DEVICE}" accept`,
    ...(own ? [`iifname "${own.port}" ether saddr ${own.mac} accept`] : []),
    'drop',
  ];
  return [{ rule: `ether saddr @${SANDBOXES} goto sandboxes`, chain: { name: 'sandboxes', rules } satisfies Chain }];
}

/** What is no unicast address of any network yet: a host that looks for its neighbours or routers. */
const ALWAYS_6 = ['::', 'fe80::/10'];

function sourceRules(gateways: readonly string[]): string[] {
  const of = (family: 4 | 6) => {
    const subnets = gateways.filter((cidr) => familyOf(cidr) === family).map((cidr) => formatCidr(parseCidr(cidr)));
    return [...new Set(subnets)].sort();
  };
  const [v4, v6] = [of(4), of(6)];
  return [
    ...(v4.length > 0 ? [`ether type ip ip saddr != ${oneOf(v4)} drop`] : []),
    ...(v6.length > 0 ? [`ether type ip6 ip6 saddr != ${oneOf([...ALWAYS_6, ...v6])} drop`] : []),
  ];
}

const oneOf = (items: readonly string[]): string => (items.length === 1 ? items.join() : `{ ${items.join(', ')} }`);
