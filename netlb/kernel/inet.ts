/** TCP and UDP sockets of a network namespace, as descriptors: node itself makes sockets later, and outside. */
import { parseAddress } from '../../lib/ip.js';
import { u32 } from './attributes.js';
import { isKernelError } from './errors.js';
import type { NetNamespace } from './namespace.js';
import { bind, close, connect, listen, SOCK_NONBLOCK, setSocketOption, socket, socketName } from './syscalls.js';

/** Values of linux/socket.h, linux/in.h. */
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const IPPROTO_IP = 0;
const IP_FREEBIND = 15;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;

/** Holds a thousand small datagrams that come at once: each counts as near to a kilobyte. Nothing is taken beforehand. */
const RECEIVE_BUFFER = 1 << 20;

/** struct sockaddr_in, or sockaddr_in6. @throws INVALID_ARGUMENT */
function socketAddress(address: string, port: number): Buffer {
  const { family, value } = parseAddress(address);
  const bytes = Buffer.alloc(family === 4 ? 16 : 28);
  bytes.writeUInt16LE(family === 4 ? AF_INET : AF_INET6, 0);
  bytes.writeUInt16BE(port, 2);
  if (family === 4) bytes.writeUInt32BE(Number(value), 4);
  else for (let i = 0; i < 16; i++) bytes[23 - i] = Number((value >> BigInt(8 * i)) & 0xffn);
  return bytes;
}

/** The port that a socket is bound to. */
export function boundPort(fd: number): number {
  return socketName(fd).readUInt16BE(2);
}

/**
 * A UDP socket, or a listening TCP socket, on a port of the kernel's choice. The address need not be there yet.
 * @param address of IPv4
 * @throws KernelError
 */
export function serverSocket(namespace: NetNamespace, protocol: 'udp' | 'tcp', address: string): number {
  const BACKLOG = 128;
  const fd = open(namespace, protocol, AF_INET);
  try {
    setSocketOption(fd, IPPROTO_IP, IP_FREEBIND, u32(1));
    if (protocol === 'udp') setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, u32(RECEIVE_BUFFER));
    bind(fd, socketAddress(address, 0));
    if (protocol === 'tcp') listen(fd, BACKLOG);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/**
 * A socket that gets packets from one address and port only, from a port of the kernel's choice (which it
 * chooses at random). A TCP socket is connected later, or fails then.
 * @throws KernelError ENETUNREACH, and others; INVALID_ARGUMENT
 */
export function clientSocket(namespace: NetNamespace, protocol: 'udp' | 'tcp', address: string, port: number): number {
  const peer = socketAddress(address, port);
  const fd = open(namespace, protocol, peer.readUInt16LE(0));
  try {
    connect(fd, peer);
  } catch (error) {
    if (!isKernelError(error, 'EINPROGRESS')) {
      close(fd);
      throw error;
    }
  }
  return fd;
}

function open(namespace: NetNamespace, protocol: 'udp' | 'tcp', family: number): number {
  const type = protocol === 'udp' ? SOCK_DGRAM : SOCK_STREAM;
  return namespace.run(() => socket(family, type | SOCK_NONBLOCK, 0));
}
