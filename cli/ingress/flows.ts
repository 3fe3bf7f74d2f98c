/** What each node sends to each task, from two readings. Pure. */
import { BackendTraffic, type IngressAnswer, type PortTraffic } from '../../proto/gen/ingress.js';
import { type Node, type Task, TaskState } from '../../proto/gen/objects.js';
import { slotName } from '../../proto/task-names.js';
import type { Publication } from './publications.js';
import { type NodeName, nodeName, type Reading } from './reading.js';

/** In a second. */
export interface Rates {
  readonly connections: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** `absent`: the task runs, and the node sends it nothing: it does not serve yet, is not healthy, or is not known there. */
export type BackendState = 'serving' | 'draining' | 'absent';

/** One task of a published port, as one node balances to it. */
export interface Flow extends BackendTraffic {
  readonly node: NodeName;
  /** Of the node: nft, ipvs. */
  readonly balancer: string;
  readonly state: BackendState;
  readonly rates: Rates;
}

const STILL: Rates = { connections: 0, bytesIn: 0, bytesOut: 0 };
const NS_PER_SECOND = 1e9;

/** The flows of a port, by node and task. A node that was not asked before, or a task that has just come, has no rates yet. */
export function flowsOf(
  publication: Publication,
  nodes: readonly Node[],
  tasks: readonly Task[],
  before: Reading,
  now: Reading,
): Flow[] {
  const running = tasks.filter((task) => isExpected(task, publication));
  return nodes.flatMap((node) => {
    const answer = now.answers.get(node.id);
    if (!answer) return [];
    const place = { node: { id: node.id, name: nodeName(node) }, balancer: answer.balancer };
    const earlier = before.answers.get(node.id);
    const known = backendsOf(answer, publication).map((backend): Flow => {
      const state = backend.weight > 0 ? 'serving' : 'draining';
      return { ...backend, ...place, state, rates: ratesOf(publication, backend, answer, earlier) };
    });
    const present = new Set(known.map(({ taskId }) => taskId));
    return [...known, ...running.filter(({ id }) => !present.has(id)).map((task) => absent(task, place))];
  });
}

const isPort =
  ({ service, port }: Publication) =>
  ({ serviceId, protocol, published, hostAddress }: PortTraffic): boolean =>
    serviceId === service.id &&
    protocol === port.protocol &&
    published === port.publishedPort &&
    hostAddress === port.hostIp;

const backendsOf = ({ ports }: IngressAnswer, publication: Publication): readonly BackendTraffic[] =>
  ports.filter(isPort(publication)).flatMap(({ backends }) => backends);

function ratesOf(
  publication: Publication,
  backend: BackendTraffic,
  answer: IngressAnswer,
  earlier: IngressAnswer | undefined,
): Rates {
  const old = earlier && backendsOf(earlier, publication).find(({ address }) => address === backend.address);
  const elapsed = (answer.readAtNs - (earlier?.readAtNs ?? answer.readAtNs)) / NS_PER_SECOND;
  // Less than before: the task has come to its balancer anew in between, and what it has was all counted since.
  const rate = (key: 'connections' | 'bytesIn' | 'bytesOut') =>
    old && elapsed > 0 ? (backend[key] - (backend[key] < old[key] ? 0 : old[key])) / elapsed : 0;
  return { connections: rate('connections'), bytesIn: rate('bytesIn'), bytesOut: rate('bytesOut') };
}

function isExpected({ serviceId, status, desiredState }: Task, { service }: Publication): boolean {
  return serviceId === service.id && status.state === TaskState.RUNNING && desiredState === TaskState.RUNNING;
}

function absent(task: Task, place: Pick<Flow, 'node' | 'balancer'>): Flow {
  const backend = BackendTraffic.create({ taskId: task.id, taskName: slotName(task) });
  return { ...backend, ...place, state: 'absent', rates: STILL };
}

export interface Total extends Rates {
  readonly active: number;
  readonly total: number;
}

/** Of all flows given together. */
export function totalOf(flows: readonly Flow[]): Total {
  const sum = (number: (flow: Flow) => number) => flows.reduce((all, flow) => all + number(flow), 0);
  return {
    active: sum(({ active }) => active),
    total: sum(({ connections }) => connections),
    connections: sum(({ rates }) => rates.connections),
    bytesIn: sum(({ rates }) => rates.bytesIn),
    bytesOut: sum(({ rates }) => rates.bytesOut),
  };
}

/** A task with an address of each family is one task. */
const taskKey = ({ taskId, address }: Flow): string => taskId || address;

/** A task serves when any node sends it new connections. */
export function stateOf(flows: readonly Flow[]): BackendState {
  const has = (state: BackendState) => flows.some((flow) => flow.state === state);
  return has('serving') ? 'serving' : has('draining') ? 'draining' : 'absent';
}

/** One flow for each task at each node: of a task with an address of each family both together, with both addresses. */
export function joined(flows: readonly Flow[]): Flow[] {
  const nodes = [...new Set(flows.map(({ node }) => node.id))];
  return nodes.flatMap((id) => [...byTask(flows.filter(({ node }) => node.id === id)).values()].map(joinedFlow));
}

function joinedFlow(flows: readonly Flow[]): Flow {
  const [first] = flows;
  if (!first) throw new TypeError('no flows of a task');
  const sum = (number: (flow: Flow) => number) => flows.reduce((all, flow) => all + number(flow), 0);
  const { connections, bytesIn, bytesOut } = totalOf(flows);
  return {
    ...first,
    address: flows.map(({ address }) => address).join(', '),
    state: stateOf(flows),
    weight: Math.max(...flows.map(({ weight }) => weight)),
    active: sum(({ active }) => active),
    connections: sum((flow) => flow.connections),
    packetsIn: sum(({ packetsIn }) => packetsIn),
    bytesIn: sum((flow) => flow.bytesIn),
    packetsOut: sum(({ packetsOut }) => packetsOut),
    bytesOut: sum((flow) => flow.bytesOut),
    rates: { connections, bytesIn, bytesOut },
  };
}

/** The flows of each task, in the order of the first. */
export function byTask(flows: readonly Flow[]): Map<string, Flow[]> {
  const tasks = new Map<string, Flow[]>();
  for (const flow of flows) {
    const known = tasks.get(taskKey(flow));
    if (known) known.push(flow);
    else tasks.set(taskKey(flow), [flow]);
  }
  return tasks;
}
