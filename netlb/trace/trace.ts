/**
 * Follows one packet, and its answer, through all that it meets. Every step is told from what the kernels of the
 * nodes concerned answered; who is who is told from the directory. Pure: what it has to know and does not is
 * thrown as Missing, and it is begun anew when that has been asked.
 */
import { isIPv6 } from 'node:net';
import { addressOf as ownAddress } from '../../lib/ip.js';
import { RESOLVER_ADDRESS } from '../blueprint/resolver.js';
import type { InterfaceAddress } from '../kernel/addresses.js';
import { type FactBook, Unreadable } from './facts.js';
import type { Hop, Trace } from './hop.js';
import type { HookPacket } from './packet.js';
import type { Directory, DirectoryNode, Question, Sender } from './question.js';
import { arriveAt, type End, type Next, receive, send } from './routing.js';
import { type Change, endOf, Lost, type Place, Walk } from './walk.js';

/** @throws Missing when questions to nodes are open */
export function trace(question: Question, directory: Directory, book: FactBook): Trace {
  const hops: Hop[] = [];
  const changes: Change[] = [];
  const walk = (leg: Hop['leg']) => new Walk({ book, directory, hops, leg, prefer: question.prefer, changes });
  let last = walk('there');
  try {
    const start = placeOf(question);
    const address = question.to.address ?? resolved(last, question, start);
    const whyNot = isolation(question, directory);
    const end = follow(last, departure(last, question, start, address, whyNot), whyNot);
    if (end.kind === 'delivered') {
      const size = last.size;
      last = walk('back');
      last.size = size;
      answer(last, end, start, question.from, address);
    }
  } catch (error) {
    if (error instanceof Unreadable) unreadable(last, error);
    else if (!(error instanceof Lost)) throw error;
  }
  return conclude(question, hops);
}

function conclude({ from, to, protocol, port }: Question, hops: readonly Hop[]): Trace {
  const at = hops.findIndex(({ status }) => status === 'broken');
  const lost = hops[at];
  const doubts = hops.filter(({ status }) => status === 'doubtful').length;
  const where = lost && [lost.owner || lost.namespace, lost.node && `on ${lost.node}`].filter(Boolean).join(' ');
  const verdict = lost
    ? `${lost.leg === 'back' ? 'The answer' : 'A packet'} is lost at hop ${at + 1}${where ? `, ${where}` : ''}: ${lost.reason}.`
    : doubts > 0
      ? `The way is complete, with ${doubts} ${doubts === 1 ? 'doubt' : 'doubts'}.`
      : 'The way is complete, there and back.';
  return { from: from.label, to: to.label, protocol, port, hops, complete: lost === undefined, verdict };
}

function unreadable(walk: Walk, { want, message }: Unreadable): void {
  const { query, node } = want;
  const namespace = 'namespace' in query ? query.namespace : '';
  const isGone = namespace !== '' && message.includes('ENOENT');
  walk.add(
    { node, namespace },
    {
      kind: 'node',
      title: isGone ? `there is no namespace ${namespace}` : `${walk.nodeName(node)} does not tell`,
      status: 'broken',
      reason: isGone
        ? `${walk.nodeName(node)} has no network namespace ${namespace}${walk.owner({ node, namespace }) ? `, that of ${walk.owner({ node, namespace })}` : ''}`
        : message,
    },
  );
}

/** Where it begins; undefined outside of the swarm. */
function placeOf({ from }: Question): Place | undefined {
  if (from.kind === 'outside') return undefined;
  return { node: from.node, namespace: from.kind === 'node' ? '' : from.namespace };
}

function resolved(walk: Walk, { to }: Question, place: Place | undefined): string {
  const name = to.name ?? '';
  if (!place)
    walk.lose(undefined, {
      kind: 'resolver',
      title: name,
      reason: `names cannot be asked for from outside: give an address in place of ${name}`,
    });
  const answer = walk.book.get(place.node, { kind: 'resolve', namespace: place.namespace, name });
  const details = { name: answer.name, server: answer.server, servers: answer.servers.join(', '), code: answer.code };
  const [address] = answer.addresses;
  if (address !== undefined) {
    walk.add(place, {
      kind: 'resolver',
      title: `${answer.name} is ${answer.addresses.join(', ')}`,
      details: { ...details, addresses: answer.addresses.join(', ') },
    });
    return address;
  }
  walk.lose(place, {
    kind: 'resolver',
    title: `${name} is not known`,
    details,
    reason: noAddress(walk, name, answer.servers, answer.server, answer.code, place),
  });
}

function noAddress(
  walk: Walk,
  name: string,
  servers: readonly string[],
  server: string,
  code: string,
  place: Place,
): string {
  if (servers.length === 0) return `${name} cannot be asked for: there is no nameserver in its resolv.conf`;
  if (server === '') {
    const waits = servers.includes(RESOLVER_ADDRESS)
      ? '; it may be waiting for servers elsewhere: those of --dns, or of the node'
      : '';
    return `nobody answers questions for ${name}: ${servers.join(', ')} ${servers.length > 1 ? 'are' : 'is'} silent${waits}`;
  }
  const own = new Set(networksOf(walk.directory, place.namespace));
  const others = walk.directory.endpoints.filter((endpoint) => ownsName(endpoint.owner, name));
  const words = `${server} knows no address of ${name} (${code})`;
  if (others.length === 0) return words;
  if (others.some(({ network }) => own.has(network))) {
    const from = walk.directory.owners[place.namespace] ?? 'it';
    return `${words}, though ${from} is in a network with ${name}: what is on a node that is down, or about to stop, has no name`;
  }
  return `${words}: ${apart(
    walk.directory,
    place.namespace,
    others.map(({ network }) => network),
    name,
  )}`;
}

/** "web.1" is found as web.1 and web. */
const ownsName = (owner: string, name: string): boolean => owner === name || owner.startsWith(`${name}.`);

function apart(directory: Directory, namespace: string, networks: readonly string[], name: string): string {
  const own = networksOf(directory, namespace);
  const from = directory.owners[namespace] ?? 'it';
  const list = (names: readonly string[]) => [...new Set(names)].join(', ') || 'no network';
  return `${from} is in ${list(own)}, ${name} in ${list(networks)}: they have no network in common`;
}

const networksOf = (directory: Directory, namespace: string): string[] =>
  directory.endpoints.filter((endpoint) => endpoint.namespace === namespace).map(({ network }) => network);

/** Words for destinations inside of networks that the sender is not in. */
function isolation({ from }: Question, directory: Directory): (address: string) => string {
  return (address) => {
    const found = directory.endpoints.filter((endpoint) => endpoint.address === address);
    if (found.length === 0) return '';
    const names = found.map(({ network }) => network);
    const [owner = address] = found.map((endpoint) => endpoint.owner);
    if (from.kind === 'node')
      return `the node itself is not inside of overlay networks: ${address} is ${owner}'s in ${names.join(', ')}`;
    if (from.kind === 'outside')
      return `${address} is ${owner}'s address inside of ${names.join(', ')}: from outside only published ports are reached`;
    const own = networksOf(directory, from.namespace);
    return names.some((name) => own.includes(name)) ? '' : apart(directory, from.namespace, names, owner);
  };
}

function departure(
  walk: Walk,
  { from, protocol, port }: Question,
  start: Place | undefined,
  address: string,
  whyNot: (address: string) => string,
): Next {
  const packet: HookPacket = {
    protocol,
    source: from.kind === 'outside' ? from.address : '',
    destination: address,
    sourcePort: undefined,
    destinationPort: port,
    mark: 0,
    connectionMark: 0,
    state: 'new',
    translated: [],
    input: '',
    output: '',
    local: false,
    outputAddress: '',
  };
  if (start) return send(walk, start, packet, whyNot);
  const node = walk.nodeAt(address) ?? (whyNot(address) === '' ? holderOf(walk, address) : undefined);
  if (!node) {
    const why = whyNot(address) || nobodyHas(walk, address);
    walk.lose(undefined, { kind: 'outside', title: `${packet.source} → ${endOf(address, port)}`, reason: why });
  }
  walk.add(undefined, {
    kind: 'outside',
    title: `${packet.source} → ${endOf(address, port)}`,
    details: { source: packet.source, destination: address },
  });
  return { arrival: arriveAt(walk, node.id, packet) };
}

/**
 * The node that has an IPv6 address itself. Beforehand only the addresses are known by which nodes speak to each
 * other, which are IPv4: they are asked, all at once. One that cannot be asked is taken not to have it.
 */
function holderOf(walk: Walk, address: string): DirectoryNode | undefined {
  if (!isIPv6(address)) return undefined;
  const { nodes } = walk.directory;
  walk.book.needOf(nodes.map(({ id }) => ({ node: id, query: OWN_ADDRESSES })));
  return nodes.find(({ id }) => addressesOf(walk, id)?.some(({ cidr }) => ownAddress(cidr) === address) === true);
}

const OWN_ADDRESSES = { kind: 'addresses', namespace: '' } as const;

/** Undefined when the node cannot be asked. */
function addressesOf(walk: Walk, node: string): readonly InterfaceAddress[] | undefined {
  try {
    return walk.book.get(node, OWN_ADDRESSES);
  } catch (error) {
    if (error instanceof Unreadable) return undefined;
    throw error;
  }
}

function nobodyHas(walk: Walk, address: string): string {
  const nobody = `no node of the swarm has the address ${address}`;
  if (!isIPv6(address)) return nobody;
  const silent = walk.directory.nodes.filter(({ id }) => addressesOf(walk, id) === undefined);
  const names = silent.map(({ name }) => name).join(', ');
  return silent.length === 0 ? nobody : `${nobody}, as far as they could be asked (not ${names})`;
}

function follow(walk: Walk, first: Next, whyNot: (address: string) => string): End {
  let next = first;
  while ('arrival' in next) next = receive(walk, next.arrival, whyNot);
  return next.end;
}

/** The answer of who got the packet, up to where the packet began. */
function answer(walk: Walk, { place, packet }: End, start: Place | undefined, from: Sender, address: string): void {
  const isHere = (at: Place) => start !== undefined && at.node === start.node && at.namespace === start.namespace;
  if (isHere(place)) return;
  const reply: HookPacket = {
    ...packet,
    source: packet.destination,
    destination: packet.source,
    sourcePort: packet.destinationPort,
    destinationPort: packet.sourcePort,
    state: 'established',
    mark: 0,
    input: '',
    output: '',
    local: false,
    outputAddress: '',
  };
  let next = send(walk, place, reply, () => '');
  while ('arrival' in next) {
    const { arrival } = next;
    if (isHere(arrival.place)) {
      home(walk, arrival.place, arrival.link.name, arrival.frame.destination === arrival.link.mac);
      return;
    }
    next = receive(walk, arrival, () => '');
  }
  if (from.kind === 'outside') checkAnswer(walk, next.end, from.address, address);
}

/** The client takes answers of whom it has called alone. */
function checkAnswer(walk: Walk, { kind, place, packet }: End, client: string, called: string): void {
  if (kind === 'left' && packet.destination === client && packet.source === called) return;
  const reason =
    packet.destination !== client
      ? `the answer goes to ${packet.destination}, not to ${client}`
      : `the answer leaves ${walk.nodeName(place.node)} as one of ${packet.source}, but ${client} called ${called}: it does not go back the way that it came`;
  walk.lose(place, { kind: 'outside', title: `${packet.source} → ${packet.destination}`, reason });
}

function home(walk: Walk, place: Place, name: string, isRight: boolean): void {
  if (!isRight)
    walk.lose(place, {
      kind: 'interface',
      title: `${name} ignores it`,
      reason: `the answer's frame is not for ${name}`,
    });
  walk.add(place, { kind: 'interface', title: `${name} takes the answer`, details: { device: name }, tap: name });
}
