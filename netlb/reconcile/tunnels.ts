/** Who is in the way of a VXLAN device: other tunnels of this node wherever they are, and processes on its port. */
import { readdirSync } from 'node:fs';
import type { Slices } from '../../lib/slices.js';
import type { NetNamespace } from '../kernel/namespace.js';
import { deleteLink, type Link, RouteSocket } from '../kernel/rtnetlink.js';
import { udpSockets } from '../kernel/udp-sockets.js';
import { LINK_GROUP } from '../names.js';
import { linkOf, openSeen, processName, type SeenNamespace, seenNamespaces } from './namespaces.js';

export interface Tunnel {
  /** "vxlan0 in /run/netns/other", "flannel.1 of this node". */
  readonly who: string;
  /** Of our making in a namespace without a name: what a daemon has left whose files are gone. */
  readonly leftover: boolean;
  readonly link: Link;
  readonly seen: SeenNamespace;
}

/** VXLAN devices whose packets leave by this port of the node, in whatever namespace they are. */
export async function tunnelsOn(node: NetNamespace, port: number, slices: Slices): Promise<Tunnel[]> {
  const tunnels: Tunnel[] = [];
  for await (const seen of seenNamespaces(slices)) {
    const namespace = openSeen(seen);
    if (!namespace) continue;
    const home = namespace.inode === node.inode;
    const socket = new RouteSocket(namespace);
    try {
      const links = socket.links().filter(({ vxlan }) => vxlan?.port === port);
      // A device that has not been moved is of the namespace that it is in.
      const number = home || links.length === 0 ? undefined : socket.namespaceId(node);
      if (!home && number === undefined) continue;
      for (const link of links.filter(({ peerNetnsId }) => peerNetnsId === number))
        tunnels.push({
          who: home
            ? `${link.name} of this node`
            : `${link.name} in ${seen.named ? '' : 'the namespace of '}${seen.who}`,
          leftover: !home && !seen.named && link.group === LINK_GROUP,
          link,
          seen,
        });
    } finally {
      socket.close();
      namespace.close();
    }
  }
  return tunnels;
}

/** Takes away what nobody looks after any more. */
export function removeTunnel({ seen, link }: Tunnel): void {
  const namespace = openSeen(seen);
  if (!namespace) return;
  const socket = new RouteSocket(namespace);
  try {
    if (socket.link({ index: link.index })?.name === link.name) socket.apply(deleteLink({ index: link.index }));
  } finally {
    socket.close();
    namespace.close();
  }
}

/** "process 4711 (nginx)"; undefined when no process has the UDP port: the kernel itself may. */
export async function processOn(node: NetNamespace, port: number, slices: Slices): Promise<string | undefined> {
  const sockets = new Set(udpSockets(node, port).map((inode) => `socket:[${inode}]`));
  if (sockets.size === 0) return undefined;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    await slices.pause();
    for (const fd of descriptorsOf(pid)) {
      const target = linkOf(`/proc/${pid}/fd/${fd}`);
      if (target !== undefined && sockets.has(target)) return processName(pid);
    }
  }
  return undefined;
}

function descriptorsOf(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`);
  } catch {
    return [];
  }
}
