import { alreadyExists, failedPrecondition, invalidArgument } from '../../lib/errors.js';
import { formatCidr, overlaps, parseCidr } from '../../lib/ip.js';
import { flattenedList, mappedList } from '../../lib/kept-list.js';
import { rememberedOf } from '../../lib/remembered.js';
import { finish, type Steps } from '../../lib/steps.js';
import type { Balancer } from '../balancer/balancer.js';
import { GATEWAY_BRIDGE, INGRESS_NAMESPACE, overlayNamespace } from '../names.js';
import type { ApplyProblem, DesiredState, GatewayBridge, Ingress, PublishedPort, Sandbox } from '../state.js';
import {
  type BridgeNetwork,
  bridgeNetwork,
  checkGatewayBridge,
  firewallProblems,
  routedGatewayBridge,
  subjectOf,
} from './bridges.js';
import { checkAddress, checkBackends, checkCidr, checkIp, checkMac, checkPublished, problemOf } from './check.js';
import { encryptionBlueprint, lastingWorn, mtuOfOverlay, sealedVnis, wornWords } from './encryption.js';
import { type EnteredPort, withEntries } from './entries.js';
import { assignGatewayAddresses, type Facts } from './facts.js';
import { type HostForward, hostForwards } from './forwards.js';
import { ingressBlueprint, ingressFamilies } from './ingress.js';
import type { OverlayNetwork } from './interfaces.js';
import { layoutOf, type Network } from './layout.js';
import type { Blueprint, NamespaceBlueprint, Subject } from './model.js';
import { type MeshPort, nodeBlueprint } from './node.js';
import { dividedByAddress, forwardClaims, lost, meshClaims, unoccupied } from './occupied.js';
import { overlayBlueprint } from './overlay.js';
import { guarded } from './overlay-guard.js';
import { ANY, hostAddressOver, kernelPort, portAtKey } from './ports.js';
import { type RoutedParts, routedNetwork, sparedOf, subjectOfRouted } from './routed.js';
import { checkSandbox, sandboxBlueprint } from './sandbox.js';
import { spreadOf } from './spread.js';

/**
 * The desired state in the kernel's terms. Pure. What is not well-formed is left out and named in the
 * problems; it does not keep the rest from being made.
 */
export function blueprint(desired: DesiredState, facts: Facts, balancer: Balancer): Blueprint {
  return finish(blueprintSteps(desired, facts, balancer));
}

/** The same, to be interrupted between networks and sandboxes. */
export function* blueprintSteps(desired: DesiredState, facts: Facts, balancer: Balancer): Steps<Blueprint> {
  const problems: ApplyProblem[] = [];
  const spared = new Set<string>();
  const told = new Map<string, number>();
  const tell: Tell = (subject, port) => (message) => {
    const key = `${subject.kind} ${subject.id} ${message}`;
    const index = told.get(key) ?? problems.length;
    told.set(key, index);
    problems[index] = { subject, message, ...about(port, problems[index]?.port) };
  };
  const attempt: Attempt = (subject, make) => {
    try {
      return make();
    } catch (error) {
      problems.push(problemOf(subject, error));
      return undefined;
    }
  };
  const node: Subject = { kind: 'node', id: '' };
  const checked = attempt(node, () => {
    const swarm = checkSwarm(desired);
    // Tasks go on starting where the bridge was first: this is no problem of the node as a whole.
    if (swarm) checkGatewayBridge(swarm.gatewayBridge, facts, tell({ kind: 'bridge', id: GATEWAY_BRIDGE }));
    return { swarm };
  });
  if (checked === undefined) return { namespaces: undefined, spared, encryption: undefined, problems };
  const { swarm } = checked;
  if (swarm && facts.underlayMtu === undefined)
    tell(node)(`underlay address ${swarm.underlay.address} is on no interface of this node`);

  const networks = new Map<string, Network>();
  const overlays: NamespaceBlueprint[] = [];
  for (const overlay of desired.overlays) {
    yield;
    const made = attempt({ kind: 'overlay', id: overlay.id }, () => {
      if (!swarm) throw failedPrecondition(`overlay ${overlay.id}: this node is in no swarm`, { value: overlay.id });
      return overlayBlueprint(overlay, swarm.underlay, facts);
    });
    if (made === undefined) {
      spared.add(overlayNamespace(overlay.id));
      continue;
    }
    overlays.push(made);
    networks.set(overlay.id, { ...overlay, kind: 'overlay', mtu: mtuOfOverlay(overlay, facts) });
  }
  const encryption = encryptionBlueprint(desired, facts);
  if (encryption === undefined && facts.encryption.missing === undefined) tell({ kind: 'encryption', id: '' })(NO_KEYS);
  for (const association of encryption ? lastingWorn(encryption, facts.encryption) : [])
    tell({ kind: 'key', id: String(desired.encryption?.sending) })(wornWords(association));
  const bridges: BridgeNetwork[] = [];
  for (const bridge of desired.bridges) {
    const others = [...(swarm ? [routedGatewayBridge(swarm.gatewayBridge)] : []), ...bridges];
    const subject = subjectOf(bridge);
    const made = attempt(subject, () => {
      if (networks.has(bridge.id)) throw alreadyExists(`two networks have the id ${bridge.id}`, { value: bridge.id });
      return bridgeNetwork(bridge, others, facts, tell(subject));
    });
    if (made === undefined) {
      spared.add(bridge.name);
      continue;
    }
    bridges.push(made);
    networks.set(bridge.id, made);
    firewallProblems(made, facts.firewalls).forEach(tell(subject));
  }
  const routed: RoutedParts[] = [];
  for (const network of desired.routed) {
    const others = [
      ...(swarm ? [routedGatewayBridge(swarm.gatewayBridge)] : []),
      ...bridges,
      ...routed.map(({ bridge }) => bridge),
    ];
    const subject = subjectOfRouted(network);
    const made = attempt(subject, () => {
      if (!swarm) throw failedPrecondition(`network ${network.id}: this node is in no swarm`, { value: network.id });
      return routedNetwork(network, swarm.underlay, others, facts, tell(subject));
    });
    if (made === undefined) {
      for (const name of sparedOf(network)) spared.add(name);
      continue;
    }
    routed.push(made);
    networks.set(network.id, made.bridge);
    firewallProblems(made.bridge, facts.firewalls).forEach(tell(subject));
  }
  if (swarm)
    firewallProblems(routedGatewayBridge(swarm.gatewayBridge), facts.firewalls).forEach(
      tell({ kind: 'bridge', id: GATEWAY_BRIDGE }),
    );

  const { tasks, forwards } = yield* sandboxes(desired, networks, facts, { attempt, tell, spared });
  let published: readonly EnteredPort[] = [];
  let sandbox: NamespaceBlueprint | undefined;
  const { ingress } = desired;
  const ingressSubject: Subject = { kind: 'ingress', id: ingress?.overlayId ?? '' };
  if (ingress !== undefined) {
    published = withEntries(wellFormed(ingress, ingressSubject, attempt), facts.entries);
    sandbox = attempt(ingressSubject, () => {
      if (!swarm) throw failedPrecondition(`ingress network ${ingress.overlayId}: this node is in no swarm`);
      const network = checkIngress(ingress, networks, swarm.gatewayBridge);
      return ingressBlueprint(ingress, published, network, swarm.gatewayBridge, balancer, facts);
    });
    if (sandbox === undefined) spared.add(INGRESS_NAMESPACE);
    for (const { port, message } of spreadProblems(balancer)(published)) tell(ingressSubject, port)(message);
    if (facts.clientAddress === 'lost') tell(ingressSubject)(SOURCE_HIDDEN);
  }
  const families = ingress && swarm && sandbox ? ingressFamilies(ingress, swarm.gatewayBridge) : [];
  const { open, spared: sparedPorts } = dividedByAddress(
    families.flatMap((family) => meshPorts[family](published)),
    facts.occupation,
    (port, message) => tell(ingressSubject, port)(message),
  );
  const ofSandbox = ({ sandbox: id }: HostForward): Subject => ({ kind: 'sandbox', id });
  const free = unoccupied(forwards, facts.occupation, (forward, message, kept) =>
    // What is published all the same is no reason to stop the sandbox.
    tell(kept ? ingressSubject : ofSandbox(forward), forward)(message),
  );
  const losers = lost([...meshClaims(open), ...forwardClaims(free)], facts.occupation);
  const granted = <T extends MeshPort | HostForward>(ports: readonly T[], subject: (port: T) => Subject) =>
    ports.filter((port) => {
      const reason = losers.get(port);
      if (reason !== undefined) tell(subject(port), port)(reason);
      return reason === undefined;
    });
  const input = {
    swarm: swarm && {
      ...swarm,
      published: granted(open, () => ingressSubject),
      sparedPorts,
      encrypted: sealedVnis(desired.overlays, facts.encryption),
    },
    bridges,
    routed,
    forwards: granted(free, ofSandbox),
  };
  const home = nodeBlueprint({ ...input, overlays: desired.overlays }, facts);
  const namespaces = [home, ...overlays, ...(sandbox ? [sandbox] : []), ...tasks];
  return { namespaces: facts.bridgeFilter ? guarded(namespaces, desired) : namespaces, spared, encryption, problems };
}

const meshPortsOver = (family: 4 | 6) =>
  flattenedList((port: EnteredPort): MeshPort[] => {
    const hostAddress = hostAddressOver(port.hostAddress, family);
    return hostAddress === undefined ? [] : [{ ...port, hostAddress, family }];
  });
const meshPorts = { 4: meshPortsOver(4), 6: meshPortsOver(6) };

/** What is so of a port over both families is one problem, of all addresses. */
function about(port: ToldPort | undefined, known: ApplyProblem['port']): Pick<ApplyProblem, 'port'> {
  if (!port) return {};
  const { protocol, published, family } = port;
  const hostAddress = port.hostAddress || (family === undefined ? '' : ANY[family]);
  const isWider = known !== undefined && known.hostAddress !== hostAddress;
  return { port: { protocol, published, hostAddress: isWider ? '' : hostAddress } };
}

/** A port over one family, or, without it, over both. */
type ToldPort = Pick<MeshPort, 'protocol' | 'published' | 'hostAddress'> & Partial<Pick<MeshPort, 'family'>>;

type Attempt = <T>(subject: Subject, make: () => T) => T | undefined;
/** Makes a problem of the subject, or of a port of it. */
type Tell = (subject: Subject, port?: ToldPort) => (message: string) => void;

interface Reporting {
  readonly attempt: Attempt;
  readonly tell: Tell;
  /** Gets the names of those that cannot be described. */
  readonly spared: Set<string>;
}

function* sandboxes(
  desired: DesiredState,
  networks: ReadonlyMap<string, Network>,
  facts: Facts,
  { attempt, tell, spared }: Reporting,
): Steps<{ readonly tasks: NamespaceBlueprint[]; readonly forwards: HostForward[] }> {
  const bridge = desired.gatewayBridge;
  const subjectOfSandbox = ({ id }: Sandbox): Subject => ({ kind: 'sandbox', id });
  const wellFormed = desired.sandboxes.filter((sandbox) => {
    const valid = attempt(subjectOfSandbox(sandbox), () => checkSandbox(sandbox));
    if (!valid) spared.add(sandbox.id);
    return valid;
  });
  const withGateway = wellFormed.filter(({ gateway }) => gateway).map(({ id }) => id);
  const addresses = bridge && assignGatewayAddresses(bridge.address, withGateway, facts.gatewayAddresses);
  const tasks: NamespaceBlueprint[] = [];
  const forwards: HostForward[] = [];
  for (const sandbox of wellFormed) {
    yield;
    const subject = subjectOfSandbox(sandbox);
    const made = attempt(subject, () => {
      const gateway = sandbox.gateway ? gatewayOf(bridge, addresses?.get(sandbox.id)) : undefined;
      const layout = layoutOf(sandbox, networks, gateway, facts);
      return { layout, namespace: sandboxBlueprint(sandbox, layout, facts) };
    });
    if (made === undefined) {
      spared.add(sandbox.id);
      continue;
    }
    tasks.push(made.namespace);
    forwards.push(...hostForwards(sandbox, made.layout, tell(subject)));
  }
  return { tasks, forwards };
}

function gatewayOf(bridge: GatewayBridge | undefined, cidr: string | undefined) {
  if (bridge === undefined) throw failedPrecondition('this node is in no swarm and has no gateway bridge');
  if (cidr === undefined)
    throw new Error(`no address is left on the gateway bridge (${formatCidr(parseCidr(bridge.address))})`);
  return { bridge, cidr };
}

const NO_KEYS = 'this node has no keys for encrypted networks yet: it waits for a manager';

const SOURCE_HIDDEN =
  "this kernel has no netdev egress hook (Linux 5.16): tasks see this node's ingress address instead of the client's";

/** @returns undefined in no swarm @throws INVALID_ARGUMENT */
function checkSwarm({ underlay, gatewayBridge }: DesiredState) {
  if (underlay === undefined && gatewayBridge === undefined) return undefined;
  if (underlay === undefined || gatewayBridge === undefined)
    throw invalidArgument('a node in a swarm has both an underlay address and a gateway bridge');
  checkAddress(underlay.address, 'underlay address');
  checkCidr(gatewayBridge.address, 'gateway bridge');
  if (gatewayBridge.address6 !== '') checkCidr(gatewayBridge.address6, 'gateway bridge', 6);
  return { underlay, gatewayBridge };
}

const spreadProblems = rememberedOf((balancer: Balancer) =>
  flattenedList((port: EnteredPort) => {
    const { problems } = spreadOf(port, balancer);
    return problems.length === 0 ? NO_PROBLEMS : problems.map((message) => ({ port, message }));
  }),
);
const NO_PROBLEMS: readonly { readonly port: EnteredPort; readonly message: string }[] = [];

function checkIngress(
  ingress: Ingress,
  networks: ReadonlyMap<string, Network>,
  gatewayBridge: GatewayBridge,
): OverlayNetwork {
  const gatewaySubnets = routedGatewayBridge(gatewayBridge).gateways.map(parseCidr);
  checkMac(ingress.mac);
  const subnets = ingress.addresses.map(parseCidr);
  if (!subnets.some(({ family }) => family === 4))
    throw invalidArgument(`ingress_sbox has no IPv4 address in the ingress network ${ingress.overlayId}`);
  const taken = gatewaySubnets.find((gateway) => subnets.some((subnet) => overlaps(subnet, gateway)));
  if (taken)
    throw new Error(
      `the ingress network ${subnets.map(formatCidr).join(', ')} overlaps the gateway bridge ${formatCidr(taken)}`,
    );
  const network = networks.get(ingress.overlayId);
  if (network?.kind !== 'overlay') throw new Error(`the ingress network ${ingress.overlayId} is not on this node`);
  return network;
}

type Checked = { readonly port: PublishedPort; readonly key: string } | { readonly error: unknown };

const checkedPorts = mappedList((asked: PublishedPort): Checked => {
  try {
    checkPublished(asked, checkIp);
    checkBackends(asked.backends);
    const port = kernelPort(asked);
    return { port, key: portAtKey(port) };
  } catch (error) {
    return { error };
  }
});

function wellFormed(ingress: Ingress, subject: Subject, attempt: Attempt): PublishedPort[] {
  const seen = new Set<string>();
  const ports: PublishedPort[] = [];
  for (const checked of checkedPorts(ingress.services)) {
    attempt(subject, () => {
      if ('error' in checked) throw checked.error;
      const { port, key } = checked;
      if (seen.has(key)) throw new Error(`port ${port.published}/${port.protocol} is published twice`);
      seen.add(key);
      ports.push(port);
    });
  }
  return ports;
}
