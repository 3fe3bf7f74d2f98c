import { CONTROL_PORT, chooseAddress, formatHostPort, parseHostPort } from './addresses.js';
import { readMachine } from './machine.js';
import type { NodeState } from './state.js';

/** Where a node of a swarm is reached. */
export type Place = Pick<NodeState, 'advertiseAddress' | 'dataPathAddress' | 'interface'>;

/** As asked for, or else as the machine's own addresses tell. @throws INVALID_ARGUMENT, FAILED_PRECONDITION */
export function placeOf(request: {
  readonly advertiseAddress: string;
  readonly dataPathAddress: string;
  readonly listenAddress: string;
}): Place & Pick<NodeState, 'listenAddress'> {
  const listenAddress = listenAddressOf(request.listenAddress);
  const { port } = parseHostPort(listenAddress, CONTROL_PORT);
  return { ...advertised(request.advertiseAddress, request.dataPathAddress, port), listenAddress };
}

/** @param port of the control plane, unless the address has one @throws as placeOf */
export function advertised(advertise: string, dataPath: string, port: number): Place {
  const machine = readMachine();
  const address = chooseAddress(advertise, port, machine, '--advertise-addr');
  const data = chooseAddress(dataPath || address.host, port, machine, '--data-path-addr');
  const link = machine.addresses.find((candidate) => candidate.address === address.host);
  return {
    advertiseAddress: formatHostPort(address),
    dataPathAddress: data.host,
    ...(link && { interface: link.name }),
  };
}

export function listenAddressOf(given: string): string {
  return formatHostPort(parseHostPort(given || `0.0.0.0:${CONTROL_PORT}`, CONTROL_PORT));
}
