/** What is told from the pass before must be what is told from nothing. */
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { macOf } from '../../lib/ip.js';
import { keepEqual } from '../../lib/keep-equal.js';
import { type Random, seeded } from '../../lib/seeded-random.js';
import { nftBalancer } from '../balancer/nft.js';
import { blueprint } from '../blueprint/blueprint.js';
import type { Facts } from '../blueprint/facts.js';
import type { Blueprint } from '../blueprint/model.js';
import { INGRESS_NAMESPACE, NODE_NAMESPACE, TABLE } from '../names.js';
import { entriesIn, heldIn, marksIn } from '../reconcile/facts.js';
import type { DesiredState, PublishedPort, RemoteEndpoint } from '../state.js';
import type { ActualNamespace, ActualState } from './actual.js';
import type { Operation } from './operation.js';
import { plan } from './plan.js';
import { desired, facts, made, sandbox } from './testing.js';

const STEPS = 40;

const remote = (host: number, node: number, sandbox = false): RemoteEndpoint => {
  const address = `10.0.0.${host}`;
  return { address, mac: macOf(address), vtep: `192.0.2.${node}`, ...(sandbox ? { sandbox } : {}) };
};

function port(random: Random, published: number): PublishedPort {
  const backends = Array.from({ length: random(5) }, (_, i) => ({
    address: random(6) === 0 ? `fd00::${20 + i}` : `10.0.0.${20 + i + random(3) * 10}`,
    weight: random(3),
  }));
  return {
    protocol: random(4) === 0 ? 'udp' : 'tcp',
    published,
    target: 80,
    hostAddress: ['', '', '', '192.0.2.1', 'nonsense'][random(5)] ?? '',
    backends: backends.filter(({ address }, i) => backends.findIndex((other) => other.address === address) === i),
    ...(random(5) === 0 ? { affinity: 60 } : {}),
  };
}

/** Somewhere in the list one comes, goes, becomes another, or moves. */
function changedList<T>(list: readonly T[], random: Random, make: () => T): T[] {
  const at = random(list.length + 1);
  const [item] = list.slice(at, at + 1);
  const rest = [...list.slice(0, at), ...list.slice(at + 1)];
  switch (random(5)) {
    case 0:
      return [...list.slice(0, at), make(), ...list.slice(at)];
    case 1:
      return rest;
    case 2:
      return [...list.slice(0, at), make(), ...list.slice(at + 1)];
    case 3:
      return item === undefined ? [...list] : [...rest, item];
    default:
      return [...list];
  }
}

const uniqueBy = <T>(list: readonly T[], keyOf: (item: T) => string): T[] => [
  ...new Map(list.map((item) => [keyOf(item), item])).values(),
];

function changed(state: DesiredState, random: Random): DesiredState {
  const { ingress } = state;
  const newRemote = (): RemoteEndpoint => {
    const made = remote(20 + random(15), 2 + random(4), random(6) === 0);
    // One with addresses of both families, or moved with its MAC.
    return random(4) === 0
      ? { ...made, address: `fd00::${random(30)}`, mac: macOf(`10.0.0.${20 + random(15)}`) }
      : made;
  };
  const overlays = state.overlays.map((overlay) => ({
    ...overlay,
    remotes: uniqueBy(changedList(overlay.remotes, random, newRemote), ({ address }) => address),
  }));
  return {
    ...state,
    overlays,
    sandboxes:
      random(4) === 0 ? changedList(state.sandboxes.slice(0, 1), random, () => sandbox).slice(0, 1) : state.sandboxes,
    ingress: ingress && {
      ...ingress,
      services: changedList(ingress.services, random, () => port(random, 8000 + random(8))),
    },
  };
}

function factsIn(actual: ActualState): Facts {
  const node = actual.namespaces.get(NODE_NAMESPACE)?.tables ?? new Map();
  const marks = marksIn(actual.namespaces.get(INGRESS_NAMESPACE)?.tables.get(`ip ${TABLE}`));
  const held = heldIn(node);
  return { ...facts, marks, entries: entriesIn(node), occupation: { listeners: [], held, spared: new Set() } };
}

/** What a kernel shows when that was done: its tables and tunnels as operations say that they leave them. */
function after(before: ActualState, of: Blueprint, operations: readonly Operation[]): ActualState {
  const all = made(of);
  const kept = (name: string, now: ActualNamespace): ActualNamespace => {
    const was = before.namespaces.get(name);
    const tables = new Map(was?.tables);
    // Links have other indexes there whenever any comes or goes.
    const indexOf = (device: string | undefined) => now.links.find(({ name: other }) => other === device)?.index ?? 0;
    const deviceOf = (index: number) => was?.links.find((link) => link.index === index)?.name;
    const tunnels = new Map([...(was?.tunnels ?? [])].map(([index, tunnel]) => [indexOf(deviceOf(index)), tunnel]));
    for (const operation of operations.filter(({ namespace }) => namespace === name)) {
      if (operation.kind === 'run-nft' || operation.kind === 'forget-flows') {
        for (const [key, table] of operation.leaves) {
          if (table) tables.set(key, table);
          else tables.delete(key);
        }
      } else if (operation.kind === 'add-remotes' || operation.kind === 'remove-remotes') {
        tunnels.set(indexOf(operation.vxlan), operation.leaves);
      }
    }
    for (const [index, tunnel] of now.tunnels) if (!tunnels.has(index)) tunnels.set(index, tunnel);
    return { ...now, tables, tunnels };
  };
  return { ...all, namespaces: new Map([...all.namespaces].map(([name, now]) => [name, kept(name, now)])) };
}

/** In an order of its own: which entries come first says nothing. */
const comparable = (operations: readonly Operation[]) =>
  operations.map((operation) =>
    operation.kind === 'add-remotes' || operation.kind === 'remove-remotes'
      ? { ...operation, leaves: undefined, remotes: operation.remotes.map((one) => JSON.stringify(one)).sort() }
      : operation,
  );

const sortedTables = ({ tables }: ActualNamespace) =>
  [...tables].map(([key, { sets, chains }]) => ({
    key,
    chains: [...chains].sort(),
    sets: [...sets].map(([name, set]) => ({ name, ...set, elements: [...set.elements].sort() })),
  }));
const sortedTunnels = ({ tunnels }: ActualNamespace) =>
  [...tunnels].map(([index, { neighbours, forwards, ports }]) => ({
    index,
    neighbours: [...neighbours].sort(),
    forwards: [...forwards].sort(),
    ports: [...ports].sort(),
  }));

/** The matcher takes a hundred times as long where nothing differs. */
function same(now: unknown, expected: unknown, where: string): void {
  if (!isDeepStrictEqual(now, expected)) expect(now, where).toEqual(expected);
}

function check(seed: number): number {
  const random = seeded(seed);
  let state = desired;
  let actual: ActualState = made(
    blueprint({ ...desired, overlays: [], sandboxes: [], ingress: undefined }, facts, nftBalancer),
  );
  let done = 0;
  for (let step = 0; step < STEPS; step++) {
    // Made anew as a manager's message is, and as the plane takes it.
    state = keepEqual(state, structuredClone(step === 0 ? state : changed(state, random)));
    const of = blueprint(state, factsIn(actual), nftBalancer);
    const { operations, problems } = plan(of, actual);
    // Nothing is remembered of objects that nobody has seen.
    const fresh = structuredClone(actual);
    const anew = blueprint(structuredClone(state), factsIn(fresh), nftBalancer);
    same(of, anew, `seed ${seed}, step ${step}`);
    const planned = plan(anew, fresh);
    same(comparable(operations), comparable(planned.operations), `seed ${seed}, step ${step}`);
    expect(problems).toEqual(planned.problems);
    actual = after(actual, of, operations);
    for (const [name, expected] of made(of).namespaces) {
      const shown = actual.namespaces.get(name) as ActualNamespace;
      same(sortedTunnels(shown), sortedTunnels(expected), `seed ${seed}, step ${step}, ${name}`);
      same(sortedTables(shown), sortedTables(expected), `seed ${seed}, step ${step}, ${name}`);
    }
    expect(plan(of, actual).operations).toEqual([]);
    // Now and then all is read anew.
    if (random(6) === 0) actual = structuredClone(actual);
    done += operations.length;
  }
  return done;
}

describe('a pass after another', () => {
  test.each([1, 2, 3])('plans what it would plan if there had been none - seed %d', (seed) => {
    expect(check(seed)).toBeGreaterThan(STEPS);
  });
});
