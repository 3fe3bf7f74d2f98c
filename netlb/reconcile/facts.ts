import { addressOf } from '../../lib/ip.js';
import type { Facts } from '../blueprint/facts.js';
import type { Listener } from '../kernel/listeners.js';
import { INGRESS_NAMESPACE, NODE_NAMESPACE, TABLE } from '../names.js';
import type { ActualState } from '../plan/actual.js';
import type { DesiredState } from '../state.js';

/** What a blueprint takes from the kernel. Pure. */
export function factsOf(
  desired: DesiredState,
  actual: ActualState,
  clientAddress: Facts['clientAddress'],
  listeners: readonly Listener[],
): Facts {
  const node = actual.namespaces.get(NODE_NAMESPACE);
  const underlay = node?.addresses.find(({ cidr }) => addressOf(cidr) === desired.underlay.address);
  return {
    underlayMtu: node?.links.find(({ index }) => index === underlay?.index)?.mtu,
    bridgeNetfilter: node?.sysctls.get('net/bridge/bridge-nf-call-iptables') === '1',
    clientAddress,
    gatewayAddresses: gatewayAddresses(desired, actual),
    marks: marks(actual),
    occupation: { listeners, held: held(actual) },
  };
}

/** A sandbox's interface on the gateway bridge is its last. */
function gatewayAddresses(desired: DesiredState, actual: ActualState): Map<string, string> {
  const addresses = new Map<string, string>();
  for (const { id, endpoints } of desired.sandboxes) {
    const namespace = actual.namespaces.get(id);
    const link = namespace?.links.find(({ name }) => name === `eth${endpoints.length}`);
    const address = namespace?.addresses.find(({ index, family }) => index === link?.index && family === 4);
    if (link && address) addresses.set(id, address.cidr);
  }
  return addresses;
}

/** From the map `6 . 8080 : 256` of the ingress sandbox. */
function marks(actual: ActualState): Map<string, number> {
  const elements = actual.namespaces.get(INGRESS_NAMESPACE)?.tables.get(`ip ${TABLE}`)?.sets.get('marks')?.elements;
  return new Map(
    (elements ?? []).map((element) => {
      const [key = '', mark] = element.split(' : ');
      return [key, Number(mark)];
    }),
  );
}

/** Keys of the node's sets of published ports: `6 . 8080`, `192.0.2.1 . 6 . 8080`. */
function held(actual: ActualState): Set<string> {
  const sets = actual.namespaces.get(NODE_NAMESPACE)?.tables.get(`ip ${TABLE}`)?.sets;
  const elements = ['ingress_ports', 'ingress_ports_at', 'host_ports', 'host_ports_at'].flatMap((name) => [
    ...(sets?.get(name)?.elements ?? []),
  ]);
  return new Set(elements.map((element) => element.split(' : ')[0] ?? ''));
}
