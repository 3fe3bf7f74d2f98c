import { afterAll, beforeAll, expect, test } from 'vitest';
import { NetNamespace } from '../../netlb/kernel/namespace.js';
import { RouteSocket } from '../../netlb/kernel/rtnetlink.js';
import { close, sendTo, setSocketOption, socket } from '../../netlb/kernel/syscalls.js';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { stateOf } from './plane-nets.js';
import { nodeAddress } from './plane-swarm.js';

const machines = new Machines();
let driver: Driver;

beforeAll(async () => {
  machines.addHost('router', '192.0.2.254/24');
  machines.addHost('node1', `${nodeAddress(1)}/24`);
  driver = await machines.driver('node1');
});

afterAll(() => machines.close());

/** A router advertisement (RFC 4861, 4.2) to all nodes on eth0: "I am a way out for half an hour". */
function advertise(where: string): void {
  const [AF_INET6, SOCK_RAW, IPPROTO_ICMPV6, IPPROTO_IPV6, IPV6_MULTICAST_HOPS] = [10, 3, 58, 41, 18];
  const namespace = NetNamespace.open(machines.path(where));
  const links = new RouteSocket(namespace);
  const fd = namespace.run(() => socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
  try {
    const hops = Buffer.alloc(4);
    hops.writeInt32LE(255);
    setSocketOption(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hops);
    const to = Buffer.alloc(28);
    to.writeUInt16LE(AF_INET6, 0);
    to.set([0xff, 0x02, ...Array<number>(13).fill(0), 1], 8);
    to.writeUInt32LE(links.link({ name: 'eth0' })?.index ?? 0, 24);
    const advertisement = Buffer.alloc(16);
    advertisement[0] = 134;
    advertisement.writeUInt16BE(1800, 6);
    sendTo(fd, advertisement, to);
  } finally {
    close(fd);
    links.close();
    namespace.close();
  }
}

test('way out of IPv6 - a node that has its own from a router keeps it when it begins to forward', async () => {
  const routers = () => machines.inside('node1', 'ip', '-6', 'route', 'show', 'default').trim();
  // Its link-local address is the router's own; it has one when duplicate detection is over.
  await eventually(
    () => !machines.inside('router', 'ip', '-6', 'address', 'show', 'dev', 'eth0').includes('tentative'),
  );
  await eventually(() => {
    advertise('router');
    return routers().includes('proto ra');
  });
  const net = { name: 'six', vni: 5002, gateways: ['fd00:6::1/64'] };
  const state = stateOf(1, [{ name: 's1', node: 1, net, addresses: ['fd00:6::11'] }]);
  expect((await driver.apply(state)).problems).toEqual([]);
  expect(machines.inside('node1', 'sysctl', '-n', 'net.ipv6.conf.all.forwarding').trim()).toBe('1');
  expect(machines.inside('node1', 'sysctl', '-n', 'net.ipv6.conf.eth0.accept_ra').trim()).toBe('2');
  expect(routers()).toMatch(/^default via fe80:\S+ dev eth0 proto ra/);
  expect((await driver.apply(state)).operations).toBe(0);
});
