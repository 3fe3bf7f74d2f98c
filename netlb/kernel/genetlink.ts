/** Generic netlink (linux/genetlink.h): families with names, whose numbers differ from boot to boot. */
import { Attributes, attribute, text } from './attributes.js';
import { isKernelError } from './errors.js';
import { request } from './messages.js';
import type { NetNamespace } from './namespace.js';
import { NETLINK_GENERIC, NetlinkSocket } from './netlink.js';

const GENL_ID_CTRL = 16;
const GENL_VERSION = 1;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;
const CTRL_ATTR_VERSION = 3;
/** Bytes of struct genlmsghdr, before the attributes. */
export const GENLMSGHDR = 4;

export interface GenericFamily {
  /** The message type of its requests. */
  readonly id: number;
  readonly version: number;
}

/**
 * Looks a family up by name: "IPVS". The kernel loads its module if there is one.
 * @returns undefined when the kernel does not have it
 */
export function genericFamily(namespace: NetNamespace, name: string): GenericFamily | undefined {
  const socket = new NetlinkSocket({ namespace, protocol: NETLINK_GENERIC });
  try {
    const header = Buffer.of(CTRL_CMD_GETFAMILY, GENL_VERSION, 0, 0);
    const query = request(GENL_ID_CTRL, 0, header, attribute(CTRL_ATTR_FAMILY_NAME, text(name)));
    const { payload } = socket.get(query, `look up generic netlink family ${name}`);
    const attributes = new Attributes(payload.subarray(GENLMSGHDR));
    const id = attributes.u16(CTRL_ATTR_FAMILY_ID);
    return id === undefined ? undefined : { id, version: attributes.u32(CTRL_ATTR_VERSION) ?? 0 };
  } catch (error) {
    if (isKernelError(error, 'ENOENT')) return undefined;
    throw error;
  } finally {
    socket.close();
  }
}
