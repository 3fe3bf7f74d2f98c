import { execFileSync } from 'node:child_process';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { deleteGroup, deleteLink, newBridge, newVeth, newVxlan, setLink } from '../../netlb/kernel/rtnetlink.js';
import { inside, json, Scratch } from './kernel-scratch.js';

interface IpLink {
  ifindex: number;
  ifname: string;
  link?: string | null;
  link_index?: number;
  link_netnsid?: number;
  mtu: number;
  address: string;
  flags: string[];
  master?: string;
  group: string;
  ifalias?: string;
  linkinfo?: {
    info_kind?: string;
    info_data?: Record<string, unknown>;
    info_slave_kind?: string;
    info_slave_data?: Record<string, unknown>;
  };
}

let scratch: Scratch;
beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => {
  scratch.close();
});

test('bridge and veth - one batch makes, attaches, isolates and raises', () => {
  const overlay = scratch.namespace('overlay');
  const task = scratch.namespace('task');
  const route = scratch.routeSocket(overlay);
  route.apply(newBridge({ name: 'br0', up: true, mtu: 1450, mac: '02:42:0a:00:01:01', alias: 'tsswarm: net a' }));
  const bridge = route.link({ name: 'br0' });
  expect(bridge).toMatchObject({ kind: 'bridge', alias: 'tsswarm: net a', up: true });
  const { failed } = route.batch([
    newVeth({
      name: 'veth1',
      mtu: 1450,
      up: true,
      master: bridge?.index,
      group: 4242,
      alias: 'task é',
      isolated: true,
      peer: { name: 'eth0', mac: '02:42:0a:00:01:05', mtu: 1450, namespaceFd: task.fd },
    }),
  ]);
  expect(failed.map(({ error }) => error.message)).toEqual([]);

  const [shown] = json<IpLink>(overlay, 'ip', '-d', 'link', 'show', 'veth1');
  expect(shown).toMatchObject({ mtu: 1450, master: 'br0', ifalias: 'task é', group: '4242' });
  expect(shown?.flags).toContain('UP');
  expect(shown?.linkinfo).toMatchObject({ info_kind: 'veth', info_slave_data: { isolated: true } });
  scratch.routeSocket(task).apply(setLink({ name: 'eth0' }, { up: true }));
  const [eth0] = json<IpLink>(task, 'ip', '-d', 'link', 'show', 'eth0');
  expect(eth0).toMatchObject({ mtu: 1450, address: '02:42:0a:00:01:05' });
  expect(eth0?.flags).toContain('UP');

  const read = route.link({ name: 'veth1' });
  expect(read).toMatchObject({
    kind: 'veth',
    mtu: 1450,
    up: true,
    running: true,
    master: bridge?.index,
    peerIndex: eth0?.ifindex,
    group: 4242,
    alias: 'task é',
    bridgePort: { isolated: true, hairpin: false },
  });
  expect(read?.peerNetnsId).toBe(shown?.link_netnsid);
  const peer = scratch.routeSocket(task).link({ name: 'eth0' });
  expect(peer).toMatchObject({ mac: '02:42:0a:00:01:05', peerIndex: shown?.ifindex });
});

test('links() - agrees with ip on every link', () => {
  const namespace = scratch.namespace('all');
  const route = scratch.routeSocket(namespace);
  route.apply(newBridge({ name: 'br0' }));
  route.batch([
    newVeth({ name: 'a0', peer: { name: 'b0' } }),
    newVxlan({ name: 'vx0', vni: 7, local: '127.0.0.1', port: 4799, mtu: 1450, learning: false, proxy: true }),
  ]);
  const shown = json<IpLink>(namespace, 'ip', '-d', 'link', 'show');
  const read = route.links();
  expect(read.map(({ index, name, mtu, kind }) => ({ index, name, mtu, kind }))).toEqual(
    shown.map((link) => ({
      index: link.ifindex,
      name: link.ifname,
      mtu: link.mtu,
      kind: link.linkinfo?.info_kind,
    })),
  );
  expect(read.find(({ name }) => name === 'a0')?.peerNetnsId).toBeUndefined();
});

test('vxlan - made from the node, it lies in the overlay and keeps its socket with the node', () => {
  const node = scratch.namespace('node');
  const overlay = scratch.namespace('overlay');
  const fromNode = scratch.routeSocket(node);
  const options = {
    name: 'vxlan0',
    vni: 4097,
    local: '127.0.0.1',
    port: 4789,
    mtu: 1450,
    learning: false,
    proxy: true,
    up: true,
    namespaceFd: overlay.fd,
  };
  expect(fromNode.batch([newVxlan(options)]).failed).toEqual([]);
  expect(fromNode.link({ name: 'vxlan0' })).toBeUndefined();
  const route = scratch.routeSocket(overlay);
  expect(route.link({ name: 'vxlan0' })).toMatchObject({
    kind: 'vxlan',
    mtu: 1450,
    up: true,
    vxlan: { vni: 4097, port: 4789, local: '127.0.0.1', learning: false, proxy: true },
  });
  const [shown] = json<IpLink>(overlay, 'ip', '-d', 'link', 'show', 'vxlan0');
  expect(shown?.linkinfo?.info_data).toMatchObject({
    id: 4097,
    local: '127.0.0.1',
    port: 4789,
    learning: false,
    proxy: true,
  });
  expect(inside(node, 'ss', '-lunH')).toContain(':4789');
  expect(inside(overlay, 'ss', '-lunH')).not.toContain(':4789');

  expect(() => newVxlan({ ...options, alias: 'x' })).toThrow('vxlan vxlan0: master and alias are set from inside');
  const { failed } = fromNode.batch([newVxlan({ ...options, name: 'vxlan1' })]);
  expect(failed).toHaveLength(1);
  expect(failed[0]?.error).toMatchObject({ code: 'EEXIST' });
  expect(failed[0]?.error.message).toMatch(
    /^create vxlan vxlan1 \(VNI 4097, port 4789\): File exists \(EEXIST\): A VXLAN device with the specified VNI/,
  );
});

test('batch - a refused operation is reported by itself and does not stop the others', () => {
  const namespace = scratch.namespace('errors');
  const route = scratch.routeSocket(namespace);
  const ops = [
    newBridge({ name: 'one', alias: 'first' }),
    newBridge({ name: 'one', alias: 'second' }),
    newBridge({ name: 'a-name-that-is-too-long' }),
    newBridge({ name: 'two' }),
    deleteLink({ name: 'none' }),
  ];
  const { failed } = route.batch(ops);
  expect(failed.map(({ op, error }) => [ops.indexOf(op), error.code])).toEqual([
    [1, 'EEXIST'],
    [2, 'ERANGE'],
    [4, 'ENODEV'],
  ]);
  expect(route.links().map(({ name, alias }) => [name, alias])).toEqual([
    ['lo', ''],
    ['one', 'first'],
    ['two', ''],
  ]);
});

test('batch - more messages than one system call takes', () => {
  const namespace = scratch.namespace('many');
  const route = scratch.routeSocket(namespace);
  const count = 700;
  const ops = Array.from({ length: count }, (_, i) => deleteLink({ name: `none${i}` }));
  const { failed } = route.batch([newBridge({ name: 'br0' }), ...ops]);
  expect(failed).toHaveLength(count);
  expect(failed.map(({ op }) => op)).toEqual(ops);
  expect(route.batch([]).failed).toEqual([]);
});

test('setLink - renames, moves, detaches and changes ports', () => {
  const from = scratch.namespace('from');
  const to = scratch.namespace('to');
  const route = scratch.routeSocket(from);
  route.batch([newBridge({ name: 'br0', up: true }), newVeth({ name: 'a', peer: { name: 'b' } })]);
  const bridge = route.link({ name: 'br0' });
  expect(
    route.batch([
      setLink(
        { name: 'a' },
        { master: bridge?.index, isolated: true, hairpin: true, up: true, mac: '02:00:00:00:00:09' },
      ),
      setLink({ name: 'b' }, { namespaceFd: to.fd, alias: 'moved', mtu: 1300, group: 9 }),
    ]).failed,
  ).toEqual([]);
  expect(json<IpLink>(from, 'ip', '-d', 'link', 'show', 'a')[0]).toMatchObject({
    master: 'br0',
    address: '02:00:00:00:00:09',
    linkinfo: { info_slave_data: { isolated: true, hairpin: true } },
  });
  expect(json<IpLink>(to, 'ip', '-d', 'link', 'show', 'b')[0]).toMatchObject({ mtu: 1300, ifalias: 'moved' });
  const index = route.link({ name: 'a' })?.index ?? 0;
  route.apply(setLink({ index }, { up: false }));
  route.apply(setLink({ index }, { rename: 'c', master: 0 }));
  const renamed = route.link({ name: 'c' });
  expect(renamed).toMatchObject({ index, up: false, master: undefined, bridgePort: undefined });
});

test('deleteGroup - takes all links of the group and no other', () => {
  const namespace = scratch.namespace('group');
  const route = scratch.routeSocket(namespace);
  const veths = Array.from({ length: 20 }, (_, i) => newVeth({ name: `g${i}`, group: 77, peer: { name: `h${i}` } }));
  route.batch([...veths, newBridge({ name: 'keep' })]);
  expect(json(namespace, 'ip', 'link', 'show')).toHaveLength(42);
  route.apply(deleteGroup(77));
  expect(json<IpLink>(namespace, 'ip', 'link', 'show').map(({ ifname }) => ifname)).toEqual(['lo', 'keep']);
  expect(route.batch([deleteGroup(77)]).failed[0]?.error.code).toBe('ENODEV');
});

test('the node itself is left alone', () => {
  const names = () => execFileSync('ip', ['-br', 'link'], { encoding: 'utf8' });
  const before = names();
  const namespace = scratch.namespace('apart');
  scratch.routeSocket(namespace).apply(newBridge({ name: 'apart0' }));
  expect(names()).toContain('lo');
  expect(names()).not.toContain('apart0');
  expect(before).not.toContain('apart0');
});
