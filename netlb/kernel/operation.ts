import type { NetlinkRequest } from './messages.js';

/** One change of links, addresses, routes, rules or neighbours, ready to be sent by RouteSocket.batch. */
export interface Operation {
  /** In words with the names concerned: "create vxlan vxlan0 (VNI 4096, port 4789)". */
  readonly summary: string;
  readonly request: NetlinkRequest;
  /** What the kernel only sets on a link that exists; sent when `request` succeeded. */
  readonly followUp: NetlinkRequest | undefined;
}

export function operation(summary: string, request: NetlinkRequest, followUp?: NetlinkRequest): Operation {
  return { summary, request, followUp };
}
