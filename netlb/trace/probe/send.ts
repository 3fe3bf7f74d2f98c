import { addressBytes } from '../../kernel/attributes.js';
import type { NetNamespace } from '../../kernel/namespace.js';
import { close, sendTo, socket } from '../../kernel/syscalls.js';
import type { ProbePacket } from '../queries.js';
import { probePacket } from './packet.js';

const AF_INET = 2;
const SOCK_RAW = 3;
/** The sender makes the IP header itself (raw(7)). */
const IPPROTO_RAW = 255;

/**
 * Sends a packet from a namespace: through its output hooks, as a program's own.
 * @returns bytes sent
 * @throws KernelError as a program would see it: EPERM when a rule drops it, ENETUNREACH …
 */
export function sendProbe(namespace: NetNamespace, probe: ProbePacket): number {
  return namespace.run(() => {
    const fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    try {
      // struct sockaddr_in
      const address = Buffer.alloc(16);
      address.writeUInt16LE(AF_INET, 0);
      addressBytes(probe.destination).copy(address, 4);
      return sendTo(fd, probePacket(probe), address);
    } finally {
      close(fd);
    }
  });
}
