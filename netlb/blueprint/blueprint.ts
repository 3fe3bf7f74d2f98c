import { type Cidr, formatCidr, overlaps, parseCidr } from '../../lib/ip.js';
import type { Balancer } from '../balancer/balancer.js';
import { INGRESS_NAMESPACE, overlayNamespace } from '../names.js';
import type { ApplyProblem, DesiredState, Ingress, PublishedPort, Sandbox } from '../state.js';
import { checkAddress, checkBackends, checkCidr, checkMac, checkPublished, problemOf } from './check.js';
import { assignGatewayAddresses, type Facts, overlayMtu } from './facts.js';
import { ingressBlueprint } from './ingress.js';
import type { OverlayNetwork } from './interfaces.js';
import type { Blueprint, NamespaceBlueprint, Subject } from './model.js';
import { type HostForward, nodeBlueprint } from './node.js';
import { unoccupied } from './occupied.js';
import { overlayBlueprint } from './overlay.js';
import { portKey } from './ports.js';
import { checkSandbox, sandboxBlueprint } from './sandbox.js';

/**
 * The desired state in the kernel's terms. Pure. What is not well-formed is left out and named in the
 * problems; it does not keep the rest from being made.
 */
export function blueprint(desired: DesiredState, facts: Facts, balancer: Balancer): Blueprint {
  const problems: ApplyProblem[] = [];
  const attempt = <T>(subject: Subject, make: () => T): T | undefined => {
    try {
      return make();
    } catch (error) {
      problems.push(problemOf(subject, error));
      return undefined;
    }
  };
  const node: Subject = { kind: 'node', id: '' };
  const spared = new Set<string>();
  const base = attempt(node, () => checkNode(desired));
  if (base === undefined) return { namespaces: undefined, spared, problems };
  if (facts.underlayMtu === undefined)
    problems.push({
      subject: node,
      message: `underlay address ${desired.underlay.address} is on no interface of this node`,
    });

  const overlays: NamespaceBlueprint[] = [];
  const networks = new Map<string, OverlayNetwork>();
  for (const overlay of desired.overlays) {
    const made = attempt({ kind: 'overlay', id: overlay.id }, () => overlayBlueprint(overlay, desired.underlay, facts));
    if (made === undefined) {
      spared.add(overlayNamespace(overlay.id));
      continue;
    }
    overlays.push(made);
    networks.set(overlay.id, { ...overlay, mtu: overlayMtu(overlay.mtu, facts.underlayMtu) });
  }

  const sandboxes = desired.sandboxes.filter((sandbox) => {
    const valid = attempt({ kind: 'sandbox', id: sandbox.id }, () => checkSandbox(sandbox));
    if (!valid) spared.add(sandbox.id);
    return valid;
  });
  const addresses = assignGatewayAddresses(
    desired.gatewayBridge.address,
    sandboxes.filter(({ gateway }) => gateway).map(({ id }) => id),
    facts.gatewayAddresses,
  );
  const tasks: NamespaceBlueprint[] = [];
  const forwards: HostForward[] = [];
  for (const sandbox of sandboxes) {
    const address = addresses.get(sandbox.id);
    const made = attempt({ kind: 'sandbox', id: sandbox.id }, () => {
      if (sandbox.gateway && address === undefined) throw new Error(exhausted(desired));
      return sandboxBlueprint(sandbox, networks, desired.gatewayBridge, address, facts);
    });
    if (made === undefined) {
      spared.add(sandbox.id);
      continue;
    }
    tasks.push(made);
    forwards.push(...hostForwards(sandbox, address));
  }

  const { ingress } = desired;
  const published: PublishedPort[] = [];
  let sandbox: NamespaceBlueprint | undefined;
  if (ingress !== undefined) {
    const subject: Subject = { kind: 'ingress', id: ingress.overlayId };
    published.push(...wellFormed(ingress, subject, attempt));
    sandbox = attempt(subject, () => {
      const network = checkIngress(ingress, networks, base);
      return ingressBlueprint(ingress, published, network, desired.gatewayBridge, balancer, facts);
    });
    if (sandbox === undefined) spared.add(INGRESS_NAMESPACE);
    if (facts.clientAddress === 'lost') problems.push({ subject, message: SOURCE_HIDDEN });
  }
  const tell = (message: string) =>
    problems.push({ subject: { kind: 'ingress', id: ingress?.overlayId ?? '' }, message });
  const input = {
    ...desired,
    published: unoccupied(sandbox ? published : [], facts.occupation, tell),
    forwards: unoccupied(forwards, facts.occupation, tell),
  };
  const home = nodeBlueprint(input, facts);
  return { namespaces: [home, ...overlays, ...(sandbox ? [sandbox] : []), ...tasks], spared, problems };
}

const SOURCE_HIDDEN =
  "this kernel has no netdev egress hook (Linux 5.16): tasks see this node's ingress address instead of the client's";

const exhausted = ({ gatewayBridge }: DesiredState): string =>
  `no address is left on the gateway bridge (${formatCidr(parseCidr(gatewayBridge.address))})`;

/** @returns the gateway bridge's subnet @throws INVALID_ARGUMENT */
function checkNode({ underlay, gatewayBridge }: DesiredState): Cidr {
  checkAddress(underlay.address, 'underlay address');
  return checkCidr(gatewayBridge.address, 'gateway bridge');
}

function checkIngress(
  ingress: Ingress,
  networks: ReadonlyMap<string, OverlayNetwork>,
  gatewaySubnet: Cidr,
): OverlayNetwork {
  checkMac(ingress.mac);
  const subnet = checkCidr(ingress.address, 'ingress address');
  if (overlaps(subnet, gatewaySubnet))
    throw new Error(
      `the ingress network ${formatCidr(subnet)} overlaps the gateway bridge ${formatCidr(gatewaySubnet)}`,
    );
  const network = networks.get(ingress.overlayId);
  if (network === undefined) throw new Error(`the ingress network ${ingress.overlayId} is not on this node`);
  return network;
}

function wellFormed(
  ingress: Ingress,
  subject: Subject,
  attempt: <T>(subject: Subject, make: () => T) => T | undefined,
): PublishedPort[] {
  const seen = new Set<string>();
  return ingress.services.filter(
    (port) =>
      attempt(subject, () => {
        checkPublished(port);
        checkBackends(port.backends);
        if (seen.has(portKey(port))) throw new Error(`port ${port.published}/${port.protocol} is published twice`);
        seen.add(portKey(port));
        return port;
      }) !== undefined,
  );
}

function hostForwards(sandbox: Sandbox, address: string | undefined): HostForward[] {
  if (address === undefined) return [];
  const [gatewayAddress = address] = address.split('/');
  return sandbox.hostPorts.map((port) => ({ ...port, gatewayAddress }));
}
