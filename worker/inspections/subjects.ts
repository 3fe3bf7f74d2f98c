/** Who is meant by FROM and TO of a trace. Pure. */
import { isIP } from 'node:net';
import { failedPrecondition, invalidArgument, notFound, type SwarmError } from '../../lib/errors.js';
import { addressOf } from '../../lib/ip.js';
import type { TraceProtocol } from '../../netlb/trace/packet.js';
import type { Question, Receiver, Sender } from '../../netlb/trace/question.js';
import {
  type Node,
  NodeState,
  type PortConfig,
  type Service,
  type Task,
  TaskState,
  type TraceNetworkRequest,
} from '../../proto/gen/index.js';
import { slotName } from '../../proto/task-names.js';
import type { ContainerPlace } from './places.js';
import { isPresent, ownContainers, type SwarmView } from './swarm-view.js';

const NODE_PREFIX = 'node:';
const PROTOCOLS: readonly string[] = ['tcp', 'udp', 'icmp'] satisfies TraceProtocol[];

/** @throws NOT_FOUND, INVALID_ARGUMENT, FAILED_PRECONDITION that name the value */
export function questionOf(request: TraceNetworkRequest, view: SwarmView): Question {
  const from = senderOf(request, view);
  const target = receiverOf(request.to, request.port, from, view);
  const { protocol, port } = transport(request, target.port);
  return { from, to: target.to, protocol, port, prefer: '' };
}

function transport({ protocol: asked }: TraceNetworkRequest, port: number): Pick<Question, 'protocol' | 'port'> {
  const protocol = asked || (port === 0 ? 'icmp' : 'tcp');
  if (!PROTOCOLS.includes(protocol))
    throw invalidArgument(`"${protocol}" is no protocol that can be traced`, {
      value: protocol,
      hint: 'Give tcp, udp or icmp.',
    });
  if (protocol !== 'icmp' && port === 0)
    throw invalidArgument(`${protocol} needs a port`, { value: protocol, hint: 'Give it as TO:PORT.' });
  return { protocol: protocol as TraceProtocol, port: protocol === 'icmp' ? undefined : port };
}

function senderOf({ from, task: wanted }: TraceNetworkRequest, view: SwarmView): Sender {
  if (from.startsWith(NODE_PREFIX)) {
    const node = nodeOf(from.slice(NODE_PREFIX.length), view);
    return { kind: 'node', node: node.id, label: `node ${node.name}` };
  }
  if (isIP(from) !== 0) return addressSender(from, view);
  const container = containerOf(from, view);
  if (container) {
    return { kind: 'sandbox', node: container.node, namespace: container.namespace, label: container.name };
  }
  const task = taskOf(from, view) ?? serviceTask(from, wanted, view);
  if (task) return { kind: 'sandbox', node: task.nodeId, namespace: task.id, label: slotName(task) };
  throw notFound(`no such container, task or service: ${from}`, {
    value: from,
    hint: 'Nodes are written node:NAME; an IP address stands for a client outside of the swarm.',
  });
}

/** Of an endpoint that we know, or else outside. */
function addressSender(address: string, view: SwarmView): Sender {
  const task = view.tasks.filter(isPresent).find(({ networks }) => hasAddress(networks, address));
  if (task) return { kind: 'sandbox', node: task.nodeId, namespace: task.id, label: slotName(task) };
  return { kind: 'outside', address, label: address };
}

const hasAddress = (networks: Task['networks'], address: string): boolean =>
  networks.some(({ addresses }) => addresses.some((cidr) => addressOf(cidr) === address));

function nodeOf(
  ref: string,
  { nodes, self }: SwarmView,
): { readonly id: string; readonly name: string; readonly address: string } {
  const found = nodes.filter(({ id, description }) => id === ref || description.hostname === ref);
  const [node] = found.length > 0 ? found : nodes.filter(({ id }) => ref !== '' && id.startsWith(ref));
  if (node)
    return {
      id: node.id,
      name: node.description.hostname || node.id,
      address: node.dataPathAddress || node.status.address,
    };
  if (ref === self.name || ref === self.id || ref === 'self') return { ...self, address: self.addresses[0] ?? '' };
  throw notFound(`no such node: ${ref}`, { value: ref });
}

/** By name or id; of a service on a node that knows no services, the one here. */
function containerOf(ref: string, view: SwarmView): ContainerPlace | undefined {
  const own = ownContainers(view);
  return (
    own.find(({ id, name }) => name === ref || id === ref || `${name}.${id}` === ref) ??
    (ref.length >= 4 ? own.find(({ id }) => id.startsWith(ref)) : undefined) ??
    own.find(({ serviceName }) => serviceName === ref)
  );
}

/** By `web.1`, `web.1.<id>`, its id or the beginning of that. Of several in a slot, the one that runs. */
function taskOf(ref: string, { tasks }: SwarmView): Task | undefined {
  const present = tasks.filter(isPresent).sort((a, b) => b.status.state - a.status.state);
  return (
    present.find((task) => task.id === ref || `${slotName(task)}.${task.id}` === ref) ??
    present.find((task) => slotName(task) === ref) ??
    (ref.length >= 4 ? present.find(({ id }) => id.startsWith(ref)) : undefined)
  );
}

function serviceOf(ref: string, { services }: SwarmView): Service | undefined {
  return services.find(({ id, spec }) => spec.name === ref || id === ref);
}

/** @throws FAILED_PRECONDITION when none runs, NOT_FOUND when it has no such task */
function serviceTask(ref: string, wanted: string, view: SwarmView): Task | undefined {
  const service = serviceOf(ref, view);
  if (!service) return undefined;
  const running = view.tasks.filter(
    (task) => task.serviceId === service.id && task.status.state === TaskState.RUNNING && isPresent(task),
  );
  if (wanted === '') {
    const [task] = [...running].sort(
      (a, b) => Number(b.nodeId === view.self.id) - Number(a.nodeId === view.self.id) || a.slot - b.slot,
    );
    if (task) return task;
    throw failedPrecondition(`no task of service ${ref} runs`, { value: ref, hint: `See: tsswarm service ps ${ref}` });
  }
  const task = running.find(
    (one) => one.id.startsWith(wanted) || String(one.slot) === wanted || slotName(one) === wanted,
  );
  if (task) return task;
  throw notFound(`service ${ref} has no running task ${wanted}`, {
    value: wanted,
    hint: `See: tsswarm service ps ${ref}`,
  });
}

interface Target {
  readonly to: Receiver;
  readonly port: number;
}

function receiverOf(to: string, port: number, from: Sender, view: SwarmView): Target {
  const at = (address: string, label = to): Target => ({ to: { label, name: undefined, address }, port });
  if (isIP(to) !== 0) return at(to);
  if (to.startsWith(NODE_PREFIX)) {
    const node = nodeOf(to.slice(NODE_PREFIX.length), view);
    if (node.address === '') throw failedPrecondition(`no address of node ${node.name} is known`, { value: to });
    return at(node.address, `node ${node.name}`);
  }
  const service = serviceOf(to, view);
  if (service && from.kind !== 'sandbox') return published(service, port, from, view);
  if (!service) {
    const task = taskOf(to, view);
    if (task) return at(addressFor(task.networks, from, view, to), slotName(task));
    const container = containerOf(to, view);
    // On a network of their own making containers know each other's names.
    const isNamed = container?.endpoints.some(
      (one) => one.networkName !== 'bridge' && networksOf(from, view).has(one.networkId),
    );
    if (container && !isNamed) return at(addressFor(container.endpoints, from, view, to));
  }
  if (from.kind === 'outside')
    throw invalidArgument(`${to} cannot be looked up from outside of the swarm`, {
      value: to,
      hint: 'Give an address, node:NAME or a service that publishes the port.',
    });
  return { to: { label: to, name: to, address: undefined }, port };
}

/** In a network that the sender is in too; of a task that has none in common, the first. */
function addressFor(networks: ContainerPlace['endpoints'], from: Sender, view: SwarmView, ref: string): string {
  const ids = networksOf(from, view);
  const ingress = new Set(view.networks.filter(({ spec }) => spec.ingress).map(({ id }) => id));
  // Members of the ingress network do not talk to each other over it.
  const useful = networks.filter(({ networkId, addresses }) => !ingress.has(networkId) && addresses.length > 0);
  const [address] = (useful.find(({ networkId }) => ids.has(networkId)) ?? useful[0] ?? networks[0])?.addresses ?? [];
  if (address === undefined) throw failedPrecondition(`${ref} has no address in any network`, { value: ref });
  return addressOf(address);
}

/** Ids of the networks that a sender is in. */
function networksOf(from: Sender, view: SwarmView): ReadonlySet<string> {
  if (from.kind !== 'sandbox') return new Set();
  const task = view.tasks.find(({ id }) => id === from.namespace);
  const container = view.containers.find(({ namespace }) => namespace === from.namespace);
  return new Set([...(task?.networks ?? []), ...(container?.endpoints ?? [])].map(({ networkId }) => networkId));
}

/** A service, from where it is reached by its published port alone: at the node itself, or at the first that is ready. */
function published(service: Service, port: number, from: Sender, view: SwarmView): Target {
  const { name } = service.spec;
  const ports = service.endpoint.ports;
  const found =
    ports.find(({ publishedPort }) => publishedPort === port) ?? ports.find(({ targetPort }) => targetPort === port);
  if (!found) throw notPublished(name, port, ports);
  const node = from.kind === 'node' ? view.nodes.find(({ id }) => id === from.node) : firstReady(view.nodes);
  const address = node?.dataPathAddress || node?.status.address || '';
  if (address === '') throw failedPrecondition('no node is ready to be called', { value: name });
  return { to: { label: `${name} at ${address}`, name: undefined, address }, port: found.publishedPort };
}

function notPublished(name: string, port: number, ports: readonly PortConfig[]): SwarmError {
  const [first] = ports;
  if (!first)
    return failedPrecondition(`service ${name} publishes no port`, {
      value: name,
      hint: 'Its tasks are reached from inside of its networks.',
    });
  const hint = `It publishes ${ports.map((one) => one.publishedPort).join(', ')}: say ${name}:${first.publishedPort}.`;
  const words = `service ${name} publishes no port ${port}`;
  if (port !== 0) return failedPrecondition(words, { value: `${name}:${port}`, hint });
  return failedPrecondition(`service ${name} is reached from outside by its ports alone`, { value: name, hint });
}

const firstReady = (nodes: readonly Node[]): Node | undefined =>
  nodes.find(({ status, dataPathAddress }) => status.state === NodeState.READY && dataPathAddress !== '');
