import { expect, test } from 'vitest';
import { addressOf, contains, familyOf, overlaps, parseAddress, parseCidr } from '../../lib/ip.js';
import { seeded } from '../../lib/seeded-random.js';
import { type Network, TaskState } from '../../proto/gen/index.js';
import { isStopped, isWanted } from '../common/tasks.js';
import type { ReadView } from '../store/store.js';
import { allocating, rebuilt } from '../testing/allocating.js';
import { randomChange, removeAll } from '../testing/random-networks.js';

/** Addresses of a network that somebody has: `owner address`. */
function* holders(view: ReadView, networkId: string): Iterable<readonly [owner: string, addresses: readonly string[]]> {
  for (const task of view.list('task')) {
    const attachment = task.networks.find((n) => n.networkId === networkId);
    if (attachment && !isStopped(task)) yield [`task ${task.id}`, attachment.addresses];
  }
  for (const node of view.list('node')) {
    const attachment = node.attachments.find((n) => n.networkId === networkId);
    if (attachment) yield [`node ${node.id}`, attachment.addresses];
  }
  for (const service of view.list('service')) {
    const vips = service.endpoint.virtualIps.filter((vip) => vip.networkId === networkId);
    if (vips.length > 0) yield [`service ${service.id}`, vips.map((vip) => vip.address)];
  }
}

function familiesOf(network: Network): number[] {
  return [...new Set(network.ipam.map(({ subnet }) => familyOf(subnet)))].sort();
}

/** What is wrong with what has been given out; empty when nothing is. */
function faults(view: ReadView): string[] {
  const wrong: string[] = [];
  const networks = [...view.list('network')].filter((network) => network.allocated);
  for (const [i, network] of networks.entries()) {
    const subnets = network.ipam.map(({ subnet }) => parseCidr(subnet));
    for (const other of networks.slice(i + 1)) {
      if (other.vni === network.vni) wrong.push(`VNI ${network.vni} twice`);
      const others = other.ipam.map(({ subnet }) => parseCidr(subnet));
      if (subnets.some((a) => others.some((b) => overlaps(a, b)))) wrong.push(`${network.id} overlaps ${other.id}`);
    }
    const seen = new Set(network.ipam.map(({ gateway }) => gateway));
    for (const [owner, addresses] of holders(view, network.id)) {
      const families = addresses.map((address) => familyOf(address)).sort();
      if (families.join() !== familiesOf(network).join()) wrong.push(`${owner} has ${addresses.join()}`);
      for (const address of addresses.map(addressOf)) {
        if (seen.has(address)) wrong.push(`${address} twice: ${owner}`);
        seen.add(address);
        const subnet = subnets.find((cidr) => contains(cidr, parseAddress(address)));
        const value = parseAddress(address).value;
        if (!subnet || value === subnet.base || (subnet.family === 4 && value === subnet.last))
          wrong.push(`${address} of ${owner} is no host's`);
      }
    }
  }
  return wrong;
}

/** Who waits for an address that is there. */
function idlers(view: ReadView): string[] {
  const isFull = (name: string) => {
    const network = view.byName('network', name)[0];
    if (!network) return false;
    const used = new Map<number, number>();
    for (const [, addresses] of holders(view, network.id))
      for (const a of addresses) used.set(familyOf(a), (used.get(familyOf(a)) ?? 0) + 1);
    return familiesOf(network).some((family) => {
      const cidrs = network.ipam.map(({ subnet }) => parseCidr(subnet)).filter((cidr) => cidr.family === family);
      // Without the base, the gateway and, in IPv4, the last.
      const size = cidrs.reduce((sum, c) => sum + Number(c.last - c.base) + 1 - (c.family === 4 ? 3 : 2), 0);
      return (used.get(family) ?? 0) >= size;
    });
  };
  const isTaken = (address: string, name: string) => {
    const network = view.byName('network', name)[0];
    return [...holders(view, network?.id ?? '')].some(([, has]) => has.map(addressOf).includes(address));
  };
  const isIdle = (why: string): boolean => {
    const [, full] = /no free address in network "(\w+)"/.exec(why) ?? [];
    if (full !== undefined && !isFull(full)) return true;
    const [, address = '', network] = /address (\S+) of network "(\w+)" is taken/.exec(why) ?? [];
    return network !== undefined && !isTaken(address, network);
  };
  const tasks = [...view.list('task')].filter((task) => isWanted(task) && task.status.state === TaskState.NEW);
  return [
    ...tasks.filter((t) => t.status.error === '' || isIdle(t.status.error)).map((t) => `task: ${t.status.error}`),
    ...[...view.list('service')].flatMap((s) => s.problems.filter(isIdle).map((why) => `service: ${why}`)),
  ];
}

test.each(Array.from({ length: 8 }, (_, seed) => seed))(
  'whatever happens, no address is given twice, lost or withheld (seed %i)',
  async (seed) => {
    const random = seeded(seed);
    const { store, settle, restart, books } = await allocating();
    for (let step = 0; step < 150; step++) {
      for (let n = 0; n <= random(3); n++) await store.update((draft) => randomChange(random, draft));
      if (random(4) === 0) continue; // more happens before anybody has looked
      await settle();
      if (random(15) === 0) await restart();
      const view = store.view();
      expect({ step, faults: faults(view), idlers: idlers(view) }).toEqual({ step, faults: [], idlers: [] });
      expect(books()).toEqual(rebuilt(store));
    }
    await store.update(removeAll);
    await settle();
    expect(books().filter((line) => !line.endsWith(' 0 used'))).toEqual([]);
  },
);
