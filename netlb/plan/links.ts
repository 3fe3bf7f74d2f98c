import { whose } from '../blueprint/foreign.js';
import type { BridgeBlueprint, InterfaceBlueprint, NamespaceBlueprint, VxlanBlueprint } from '../blueprint/model.js';
import type { Link } from '../kernel/rtnetlink.js';
import { LINK_GROUP, NODE_NAMESPACE } from '../names.js';
import type { ApplyProblem } from '../state.js';
import type { ActualNamespace, ActualState } from './actual.js';
import type { Action, LinkAttributes, Operation } from './operation.js';

export interface LinkPlan {
  readonly operations: readonly Operation[];
  /** Links that will be made: nothing of what hangs on one of that name now will be there. */
  readonly made: ReadonlySet<string>;
  /** Names that something else has. */
  readonly foreign: ReadonlySet<string>;
  readonly problems: readonly ApplyProblem[];
}

const find = (namespace: ActualNamespace | undefined, name: string): Link | undefined =>
  namespace?.links.find((link) => link.name === name);

/** Bridges, the VXLAN device and veth pairs of one namespace. */
export function planLinks(wanted: NamespaceBlueprint, actual: ActualState): LinkPlan {
  const { name: namespace, subject } = wanted;
  const here = actual.namespaces.get(namespace);
  const operations: Operation[] = [];
  const made = new Set<string>();
  const foreign = new Set<string>();
  const problems: ApplyProblem[] = [];
  const add = (action: Action, at = namespace) => operations.push({ subject, namespace: at, ...action });

  for (const bridge of wanted.bridges) {
    const link = find(here, bridge.name);
    const add = (action: Action) => operations.push({ subject: bridge.subject, namespace, ...action });
    if (link && isForeign(namespace, link)) {
      foreign.add(bridge.name);
      problems.push({
        subject: bridge.subject,
        message: `${bridge.name} is there and not of our making: ${whose(link)}`,
      });
    } else if (link?.kind === 'bridge') {
      const change = bridgeChange(bridge, link);
      if (change) add({ kind: 'change-link', name: bridge.name, change });
    } else {
      if (link) add({ kind: 'remove-links', names: [link.name] });
      add({ kind: 'create-bridge', bridge });
      made.add(bridge.name);
    }
  }
  for (const vxlan of wanted.vxlans) {
    const link = find(here, vxlan.name);
    if (link && isForeign(namespace, link)) {
      foreign.add(vxlan.name);
      const message = `${vxlan.name} is there and not of our making: ${whose(link)}`;
      problems.push({ subject: vxlan.subject, message });
    } else planVxlan(vxlan, here, made, (action) => operations.push({ subject: vxlan.subject, namespace, ...action }));
  }
  for (const item of wanted.interfaces) {
    const bridge = find(actual.namespaces.get(item.port.namespace), item.port.bridge);
    if (bridge && isForeign(item.port.namespace, bridge)) foreign.add(item.name);
    else planInterface(item, here, actual.namespaces.get(item.port.namespace), made, add);
  }
  return { operations, made, foreign, problems };
}

/** In a namespace of ours every link with a name of ours is ours, if perhaps wrong. */
const isForeign = (namespace: string, link: Link): boolean => namespace === NODE_NAMESPACE && link.group !== LINK_GROUP;

/** Undefined when nothing is left to change. */
function nonEmpty(change: LinkAttributes): LinkAttributes | undefined {
  return Object.keys(change).length > 0 ? change : undefined;
}

const basics = (link: Link, mac: string | undefined, mtu: number): LinkAttributes => ({
  ...(mac === undefined || link.mac === mac ? {} : { mac }),
  ...(link.mtu === mtu ? {} : { mtu }),
  ...(link.up ? {} : { up: true }),
});

const bridgeChange = (bridge: BridgeBlueprint, link: Link): LinkAttributes | undefined =>
  nonEmpty(basics(link, bridge.mac, bridge.mtu));

function planVxlan(
  vxlan: VxlanBlueprint,
  here: ActualNamespace | undefined,
  made: Set<string>,
  add: (action: Action) => void,
): void {
  const link = find(here, vxlan.name);
  const info = link?.vxlan;
  const right =
    info?.vni === vxlan.vni &&
    info.port === vxlan.port &&
    info.local === vxlan.local &&
    info.proxy === (vxlan.bridge !== undefined) &&
    !info.learning;
  if (link && right) {
    const { bridge } = vxlan;
    const attached = bridge === undefined || (link.master !== undefined && link.master === find(here, bridge)?.index);
    const change = nonEmpty({
      ...basics(link, vxlan.mac, vxlan.mtu),
      ...(attached ? {} : { master: bridge }),
    });
    if (change) add({ kind: 'change-link', name: vxlan.name, change });
    return;
  }
  if (link) add({ kind: 'remove-links', names: [link.name] });
  add({ kind: 'create-vxlan', vxlan });
  made.add(vxlan.name);
}

function planInterface(
  item: InterfaceBlueprint,
  here: ActualNamespace | undefined,
  there: ActualNamespace | undefined,
  made: Set<string>,
  add: (action: Action, namespace?: string) => void,
): void {
  const link = find(here, item.name);
  const port = find(there, item.port.name);
  if (link && port && isPair(link, port)) {
    const change = nonEmpty(basics(link, item.mac, item.mtu));
    if (change) add({ kind: 'change-link', name: item.name, change });
    const portChange = changeOfPort(item, port, there);
    if (portChange) add({ kind: 'change-link', name: port.name, change: portChange }, item.port.namespace);
    return;
  }
  if (link) add({ kind: 'remove-links', names: [link.name] });
  if (port) add({ kind: 'remove-links', names: [port.name] }, item.port.namespace);
  add({ kind: 'create-interface', interface: item });
  made.add(item.name);
}

const isPair = (a: Link, b: Link): boolean =>
  a.kind === 'veth' && b.kind === 'veth' && a.peerIndex === b.index && b.peerIndex === a.index;

function changeOfPort({ mtu, port: wanted }: InterfaceBlueprint, port: Link, there: ActualNamespace | undefined) {
  const master = find(there, wanted.bridge)?.index;
  const attached = master !== undefined && port.master === master;
  return nonEmpty({
    ...basics(port, undefined, mtu),
    ...(attached ? {} : { master: wanted.bridge }),
    // A port that is attached anew starts with the settings of a new port.
    ...(attached && port.bridgePort?.isolated === wanted.isolated ? {} : { isolated: wanted.isolated }),
    ...(attached && port.bridgePort?.hairpin === wanted.hairpin ? {} : { hairpin: wanted.hairpin }),
    ...(port.alias === wanted.alias ? {} : { alias: wanted.alias }),
  });
}

/**
 * Links of ours that no blueprint has: of sandboxes that are gone, or of a crash. Ports of namespaces that
 * go in this very plan are left out: they go with them, without the time that a delete costs.
 */
export function staleLinks(
  namespaces: readonly NamespaceBlueprint[],
  actual: ActualState,
  { spared, doomed }: { readonly spared: ReadonlySet<string>; readonly doomed: ReadonlySet<string> },
): Operation[] {
  const ports = new Map<string, Set<string>>();
  for (const { port } of namespaces.flatMap(({ interfaces }) => interfaces)) {
    const names = ports.get(port.namespace) ?? new Set();
    ports.set(port.namespace, names.add(port.name));
  }
  return namespaces.flatMap(({ name: namespace, subject, bridges, vxlans, interfaces }): Operation[] => {
    const wanted = new Set([...bridges, ...vxlans, ...interfaces].map(({ name }) => name));
    const names = (actual.namespaces.get(namespace)?.links ?? [])
      .filter(({ name, group }) => group === LINK_GROUP && !wanted.has(name) && !ports.get(namespace)?.has(name))
      .filter(({ name, alias }) => !spared.has(name) && !spared.has(ownerOf(alias)) && !doomed.has(ownerOf(alias)))
      .map(({ name }) => name);
    return names.length > 0 ? [{ kind: 'remove-links', subject, namespace, names }] : [];
  });
}

/** Whose a port is: the first word of its alias. */
const ownerOf = (alias: string): string => alias.split(' ', 1)[0] ?? '';
