import { expect, test } from 'vitest';
import type { ListeningSocket } from '../kernel/listeners.js';
import type { SocketOwner } from '../kernel/socket-owners.js';
import type { DesiredState } from '../state.js';
import { Contested, publishedBy } from './contested.js';

const desired = {
  sandboxes: [{ hostPorts: [{ protocol: 'udp', hostAddress: '', published: 53, target: 53 }] }],
  ingress: { services: [{ protocol: 'tcp', published: 8080 }] },
} as unknown as DesiredState;
const socket = (protocol: 'tcp' | 'udp', port: number, inode: number): ListeningSocket => ({
  protocol,
  family: 4,
  address: '',
  port,
  inode,
});

function contested(owners: Readonly<Record<number, SocketOwner>>) {
  const looks: number[][] = [];
  const names = new Contested((inodes) => {
    looks.push([...inodes]);
    return new Map([...inodes].flatMap((inode) => (owners[inode] ? [[inode, owners[inode]] as const] : [])));
  });
  const ownersOf = (...sockets: ListeningSocket[]) =>
    names.name(sockets, publishedBy(desired)).map(({ owner }) => owner);
  return { looks, ownersOf };
}

test('contested - only those in the way of a published port are looked for, and once', () => {
  const { looks, ownersOf } = contested({ 1: { pid: 812, command: 'nginx' }, 3: { pid: 9, command: 'dnsmasq' } });
  const first = [socket('tcp', 8080, 1), socket('tcp', 53, 2), socket('udp', 53, 3), socket('tcp', 22, 4)];
  expect(ownersOf(...first)).toEqual(['nginx (pid 812)', undefined, 'dnsmasq (pid 9)', undefined]);
  expect(ownersOf(...first)).toEqual(['nginx (pid 812)', undefined, 'dnsmasq (pid 9)', undefined]);
  expect(looks).toEqual([[1, 3]]);
});

test('contested - one whose process is not found is not looked for again; a new socket is', () => {
  const { looks, ownersOf } = contested({ 6: { pid: 7, command: 'late' } });
  expect(ownersOf(socket('tcp', 8080, 5))).toEqual([undefined]);
  expect(ownersOf(socket('tcp', 8080, 5))).toEqual([undefined]);
  expect(ownersOf(socket('tcp', 8080, 6))).toEqual(['late (pid 7)']);
  expect(looks).toEqual([[5], [6]]);
});
