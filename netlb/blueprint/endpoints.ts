/** What follows from the remote endpoints of one overlay, of which there may be tens of thousands and few change at a time. */
import { isIPv4 } from 'node:net';
import { canonicalAddress } from '../../lib/ip.js';
import { flattenedList, mappedList } from '../../lib/kept-list.js';
import { remembered, rememberedOf } from '../../lib/remembered.js';
import type { Overlay, RemoteEndpoint } from '../state.js';
import { checkAddress, checkMac } from './check.js';
import type { Remote } from './model.js';

type WithRemotes = Pick<Overlay, 'id' | 'remotes'>;

/** With their addresses as the kernel has them. @throws INVALID_ARGUMENT */
export const checkedRemotes = ({ id, remotes }: WithRemotes): readonly Remote[] => listsOf(id).checked(remotes);

/** IPv4 addresses of the nodes that have them, each once. */
export const vtepsOf = ({ id, remotes }: WithRemotes): readonly string[] => validOf(listsOf(id).vteps(remotes));

/** MACs of those that are some node's ingress_sbox. */
export const sandboxMacs = ({ id, remotes }: WithRemotes): readonly string[] => listsOf(id).sandboxes(remotes);

/** By the network's id, so that the list before is the same network's. */
const listsOf = remembered((_networkId: string) => ({
  checked: mappedList(checkedRemote),
  vteps: mappedList(({ vtep }: RemoteEndpoint) => nodeOf(vtep)),
  sandboxes: flattenedList(({ sandbox, mac }: RemoteEndpoint) => (sandbox ? [mac] : NO_MACS)),
}));

const NO_MACS: readonly string[] = [];

const checkedRemote = rememberedOf((remote: RemoteEndpoint): Remote => {
  checkAddress(remote.vtep, 'tunnel endpoint');
  checkMac(remote.mac);
  return { ...remote, address: canonicalAddress(remote.address) };
});

/** The same text for all endpoints of a node, which is found again faster. */
const nodeOf = remembered((vtep) => vtep);

const validOf = rememberedOf((vteps: readonly string[]): readonly string[] => {
  const each = new Set<string>();
  for (const vtep of vteps) each.add(vtep);
  return [...each].filter((vtep) => isIPv4(vtep));
});
