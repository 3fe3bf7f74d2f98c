import { systemClock } from '../../lib/clock.js';
import { alreadyExists, failedPrecondition } from '../../lib/errors.js';
import type { Slices } from '../../lib/slices.js';
import type { BridgeBlueprint, InterfaceBlueprint, VxlanBlueprint } from '../blueprint/model.js';
import { isKernelError } from '../kernel/errors.js';
import type { NetNamespace } from '../kernel/namespace.js';
import { deleteGroup, newBridge, newVeth, newVxlan, type RouteSocket, setLink } from '../kernel/rtnetlink.js';
import { DOOMED_GROUP, LINK_GROUP, NODE_NAMESPACE } from '../names.js';
import type { LinkAttributes } from '../plan/operation.js';
import type { NamespaceHandles } from './handles.js';
import { processOn, removeTunnel, type Tunnel, tunnelsOn } from './tunnels.js';

/** @throws FAILED_PRECONDITION when there is no such link: what should have made it has failed */
export function indexOf(socket: RouteSocket, name: string): number {
  const link = socket.link({ name });
  if (!link) throw failedPrecondition(`link ${name} is not there`, { value: name });
  return link.index;
}

export function createBridge(socket: RouteSocket, { name, mac, mtu }: BridgeBlueprint): void {
  socket.apply(newBridge({ name, mac, mtu, up: true, group: LINK_GROUP, multicastSnooping: false }));
}

/** Milliseconds that a namespace which is going may keep its VNI. */
const VNI_PATIENCE = 500;

/**
 * The device is made in its namespace by a message to the node's, where its UDP socket is then.
 * @throws ALREADY_EXISTS that says who has the VNI or the port
 */
export async function createVxlan(
  handles: NamespaceHandles,
  namespace: string,
  vxlan: VxlanBlueprint,
  slices: Slices,
): Promise<void> {
  const { name, vni, port, local, mac, mtu, bridge } = vxlan;
  const home = handles.get(namespace);
  const node = handles.get(NODE_NAMESPACE);
  const device = newVxlan({
    name,
    vni,
    port,
    local,
    mac,
    mtu,
    up: true,
    group: LINK_GROUP,
    learning: false,
    // A bridge's ports ask for neighbours; who routes to the device knows them.
    proxy: bridge !== undefined,
    namespaceFd: namespace === NODE_NAMESPACE ? undefined : home.namespace.fd,
  });
  const patience = systemClock.monotonic() + VNI_PATIENCE;
  for (;;) {
    try {
      node.route.apply(device);
      break;
    } catch (error) {
      if (isKernelError(error, 'EADDRINUSE')) throw await portTaken(vxlan, node.namespace, error, slices);
      if (!isKernelError(error, 'EEXIST')) throw error;
      const holders = (await tunnelsOn(node.namespace, port, slices)).filter(({ link }) => link.vxlan?.vni === vni);
      const [holder] = holders.filter(({ leftover }) => !leftover);
      if (holder || (holders.length === 0 && systemClock.monotonic() > patience)) throw vniTaken(vxlan, holder, error);
      holders.forEach(removeTunnel);
      if (holders.length === 0) await systemClock.sleep(20);
    }
  }
  if (bridge !== undefined) home.route.apply(setLink({ name }, { master: indexOf(home.route, bridge) }));
}

function vniTaken({ name, vni, port }: VxlanBlueprint, holder: Tunnel | undefined, cause: unknown) {
  const who = holder?.who ?? 'a device in a network namespace that cannot be seen from here';
  return alreadyExists(`${name}: VNI ${vni} on port ${port} is taken by ${who}`, {
    value: String(vni),
    hint: 'Remove that device, or give the network another VNI.',
    cause,
  });
}

/** All tunnels of a port that are set up alike share its socket: only others are in the way. */
async function portTaken({ name, port }: VxlanBlueprint, node: NetNamespace, cause: unknown, slices: Slices) {
  const [tunnel] = await tunnelsOn(node, port, slices);
  const who = (await processOn(node, port, slices)) ?? tunnel?.who ?? 'the kernel, for a tunnel of another kind';
  return alreadyExists(`${name}: UDP port ${port} is taken by ${who}`, {
    value: String(port),
    hint: 'Stop that, or use another data-path port (init --data-path-port).',
    cause,
  });
}

/**
 * One message makes both ends, the far one in the sandbox.
 * @throws FAILED_PRECONDITION when the bridge is not there
 */
export function createInterface(handles: NamespaceHandles, namespace: string, item: InterfaceBlueprint): void {
  const { name, mac, mtu, port } = item;
  const { route } = handles.get(port.namespace);
  const sandbox = handles.get(namespace);
  route.apply(
    newVeth({
      name: port.name,
      mtu,
      up: true,
      master: indexOf(route, port.bridge),
      group: LINK_GROUP,
      alias: port.alias,
      isolated: port.isolated,
      hairpin: port.hairpin,
      peer: { name, mac, mtu, group: LINK_GROUP, namespaceFd: sandbox.namespace.fd },
    }),
  );
  // A veth's second end can only be raised when both are there.
  sandbox.route.apply(setLink({ name }, { up: true }));
}

export function changeLink(socket: RouteSocket, name: string, { master, ...change }: LinkAttributes): void {
  socket.apply(setLink({ name }, { ...change, ...(master === undefined ? {} : { master: indexOf(socket, master) }) }));
}

/** All in the time of one. Those that are gone already are fine. */
export function removeLinks(socket: RouteSocket, names: readonly string[]): void {
  const { failed } = socket.batch([
    ...names.map((name) => setLink({ name }, { group: DOOMED_GROUP })),
    deleteGroup(DOOMED_GROUP),
  ]);
  const refused = failed.find(({ error }) => error.code !== 'ENODEV');
  if (refused) throw refused.error;
}
