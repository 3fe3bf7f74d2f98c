import { isIP } from 'node:net';
import { formatHostPort, type Machine, parseHostPort } from './addresses.js';
import type { NodeState } from './state.js';

/**
 * The state with the addresses that the machine has now. Where the interface that the node advertised
 * has another address than when it joined, and only one, that is the node's from now on: managers teach
 * it to each other. When the interface has none (yet), or several, everything stays as it was.
 */
export function readdress(state: NodeState, machine: Machine): NodeState {
  const advertised = parseHostPort(state.advertiseAddress, 0, true);
  const family = isIP(advertised.host);
  const own = machine.addresses.filter((address) => address.name === state.interface && address.family === family);
  const [now] = own;
  if (!now || own.length > 1 || now.address === advertised.host) return state;
  const moves = state.dataPathAddress === advertised.host;
  return {
    ...state,
    advertiseAddress: formatHostPort({ ...advertised, host: now.address }),
    dataPathAddress: moves ? now.address : state.dataPathAddress,
  };
}
