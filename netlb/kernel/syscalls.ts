import koffi from 'koffi';
import { KernelError } from './errors.js';

/** Values of the generic Linux ABI (asm-generic/fcntl.h, linux/sched.h, linux/mount.h, linux/socket.h). */
export const O_RDONLY = 0;
export const O_CLOEXEC = 0o2000000;
export const SOCK_NONBLOCK = 0o4000;
const CLONE_NEWNET = 0x40000000;
export const MNT_DETACH = 2;
const MSG_DONTWAIT = 0x40;

function bindLibc() {
  // The process's own symbols: the C library that node itself runs on, glibc or musl.
  const libc = koffi.load(null);
  return {
    socket: libc.func('int socket(int domain, int type, int protocol)'),
    bind: libc.func('int bind(int fd, const uint8_t *address, uint32_t length)'),
    connect: libc.func('int connect(int fd, const uint8_t *address, uint32_t length)'),
    listen: libc.func('int listen(int fd, int backlog)'),
    getsockname: libc.func('int getsockname(int fd, _Out_ uint8_t *address, _Inout_ uint8_t *length)'),
    fcntl: libc.func('int fcntl(int fd, int command, ...)'),
    recvmmsg: libc.func('int recvmmsg(int fd, uintptr_t messages, unsigned int count, int flags, uintptr_t timeout)'),
    sendmmsg: libc.func('int sendmmsg(int fd, uintptr_t messages, unsigned int count, int flags)'),
    sendto: libc.func(
      'int64_t sendto(int fd, const uint8_t *data, size_t length, int flags, const uint8_t *address, uint32_t size)',
    ),
    recv: libc.func('int64_t recv(int fd, _Out_ uint8_t *data, size_t length, int flags)'),
    setsockopt: libc.func('int setsockopt(int fd, int level, int name, const uint8_t *value, uint32_t length)'),
    close: libc.func('int close(int fd)'),
    open: libc.func('int open(const char *path, int flags, int mode)'),
    setns: libc.func('int setns(int fd, int type)'),
    unshare: libc.func('int unshare(int flags)'),
    mount: libc.func(
      'int mount(const char *source, const char *target, const char *type, uint64_t flags, const char *data)',
    ),
    umount2: libc.func('int umount2(const char *target, int flags)'),
    strerror: libc.func('const char *strerror(int errno)'),
  };
}

let bound: ReturnType<typeof bindLibc> | undefined;

/** Bound at the first call, so that importing this module does nothing on other systems. */
function libc(): ReturnType<typeof bindLibc> {
  bound ??= bindLibc();
  return bound;
}

/** The C library's words for an errno: "File exists". */
export function errorWords(errno: number): string {
  return String(libc().strerror(errno));
}

/**
 * The result of a system call, which tells failure by a negative number and errno.
 * @param operation in words, for the error
 * @throws KernelError
 */
export function check(result: number | bigint, operation: string): number {
  if (result < 0) {
    const errno = koffi.errno();
    throw new KernelError(operation, { errno, words: errorWords(errno) });
  }
  return Number(result);
}

export function open(path: string, flags: number): number {
  return check(libc().open(path, flags | O_CLOEXEC, 0), `open ${path}`);
}

/** Descriptors made here are not garbage collected: every one needs its close. */
export function close(fd: number): void {
  check(libc().close(fd), `close descriptor ${fd}`);
}

/** Close-on-exec is always set. */
export function socket(domain: number, type: number, protocol: number): number {
  return check(libc().socket(domain, type | O_CLOEXEC, protocol), `open socket (family ${domain})`);
}

export function bind(fd: number, address: Buffer): void {
  check(libc().bind(fd, address, address.length), 'bind socket');
}

/** @throws KernelError EINPROGRESS from a socket that does not block: it is connected later, or fails */
export function connect(fd: number, address: Buffer): void {
  check(libc().connect(fd, address, address.length), 'connect socket');
}

export function listen(fd: number, backlog: number): void {
  check(libc().listen(fd, backlog), 'listen on socket');
}

/** The socket's own address, as a struct sockaddr of 28 bytes at most. */
export function socketName(fd: number): Buffer {
  const address = Buffer.alloc(28);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(address.length);
  check(libc().getsockname(fd, address, length), 'read address of socket');
  return address.subarray(0, length.readUInt32LE());
}

/** Another descriptor of the same file or socket. */
export function duplicate(fd: number): number {
  const F_DUPFD_CLOEXEC = 1030;
  return check(libc().fcntl(fd, F_DUPFD_CLOEXEC, 'int', 0), `duplicate descriptor ${fd}`);
}

/** recvmmsg(2) without waiting. @param messages address of `count` struct mmsghdr @returns how many came; negative: see koffi.errno() */
export function receiveMany(fd: number, messages: bigint, count: number): number {
  return libc().recvmmsg(fd, messages, count, MSG_DONTWAIT, 0);
}

/** sendmmsg(2) without waiting. @returns how many were sent; negative: not even the first */
export function sendMany(fd: number, messages: bigint, count: number): number {
  return libc().sendmmsg(fd, messages, count, MSG_DONTWAIT);
}

export function sendTo(fd: number, data: Buffer, address: Buffer): number {
  return check(libc().sendto(fd, data, data.length, 0, address, address.length), 'send to socket');
}

/** By a connected socket. */
export function send(fd: number, data: Buffer): number {
  return check(libc().sendto(fd, data, data.length, 0, null, 0), 'send by socket');
}

/** @returns the datagram's whole length with MSG_TRUNC in flags, even if it is more than the buffer's */
export function receive(fd: number, buffer: Buffer, flags: number): number {
  return check(libc().recv(fd, buffer, buffer.length, flags), 'receive from socket');
}

export function setSocketOption(fd: number, level: number, name: number, value: Buffer): void {
  check(libc().setsockopt(fd, level, name, value, value.length), `set socket option ${level}/${name}`);
}

/** Moves the calling thread, and only it, to the network namespace behind the descriptor. */
export function setNetworkNamespace(fd: number): void {
  check(libc().setns(fd, CLONE_NEWNET), 'enter network namespace');
}

/** Moves the calling thread, and only it, to a new network namespace. */
export function unshareNetworkNamespace(): void {
  check(libc().unshare(CLONE_NEWNET), 'make network namespace');
}

/** mount(2). `flags` are MS_* of linux/mount.h; `data` the file system's own options. */
export function mountRaw(source: string, target: string, type: string, flags: number, data: string): void {
  check(
    libc().mount(source, target, type, flags, data === '' ? null : data),
    `mount ${type === '' || type === 'none' ? source : type} on ${target}`,
  );
}

/** umount2(2). */
export function unmountRaw(target: string, flags: number): void {
  check(libc().umount2(target, flags), `unmount ${target}`);
}
