/** What managers, and this node, know of who is where: names for people, and places to begin at. Pure. */
import { addressOf } from '../../lib/ip.js';
import type { Directory, DirectoryEndpoint, DirectoryNode } from '../../netlb/trace/question.js';
import { type Network, type Node, type Service, type Task, TaskState } from '../../proto/gen/index.js';
import { slotName } from '../../proto/task-names.js';
import type { ContainerPlace } from './places.js';

export interface SwarmView {
  readonly nodes: readonly Node[];
  readonly services: readonly Service[];
  readonly tasks: readonly Task[];
  readonly networks: readonly Network[];
  /** Of this machine, those of tasks too; of other nodes, those that are attached to networks of the swarm. */
  readonly containers: readonly ContainerPlace[];
  readonly self: SelfNode;
  /** Whether it is a manager's: of all nodes. */
  readonly whole: boolean;
}

export interface SelfNode {
  readonly id: string;
  readonly name: string;
  /** Addresses at which others may reach it. */
  readonly addresses: readonly string[];
}

/** Has a namespace, or should have. */
export const isPresent = ({ status, desiredState }: Task): boolean =>
  status.state >= TaskState.ASSIGNED && status.state <= TaskState.RUNNING && desiredState <= TaskState.RUNNING;

/** Containers that are not among the tasks: on a worker, which knows no tasks, all. */
export const ownContainers = ({ containers, tasks }: SwarmView): readonly ContainerPlace[] =>
  containers.filter(({ id }) => !tasks.some((task) => task.id === id));

export function directoryOf(view: SwarmView): Directory {
  const tasks = view.tasks.filter(isPresent);
  const own = ownContainers(view);
  return {
    nodes: directoryNodes(view),
    whole: view.whole,
    endpoints: [
      ...tasks.flatMap(taskEndpoints),
      ...view.nodes.flatMap((node) => nodeEndpoints(node, view.networks)),
      ...view.services.flatMap((service) => virtualEndpoints(service, view.networks)),
      ...own.flatMap(containerEndpoints),
    ],
    owners: Object.fromEntries([
      ...tasks.map((task) => [task.id, slotName(task)] as const),
      ...own.map(({ namespace, name }) => [namespace, name] as const),
    ]),
  };
}

function directoryNodes({ nodes, self }: SwarmView): DirectoryNode[] {
  const known = nodes.map((node): DirectoryNode => {
    const control = node.managerStatus?.address.replace(/:\d+$/, '') ?? '';
    const others = [node.status.address, control, ...(node.id === self.id ? self.addresses : [])];
    return {
      id: node.id,
      name: node.description.hostname || node.id,
      vtep: node.dataPathAddress,
      addresses: [...new Set(others.filter(Boolean))],
    };
  });
  const isKnown = known.some(({ id }) => id === self.id);
  return isKnown ? known : [{ id: self.id, name: self.name, vtep: '', addresses: self.addresses }, ...known];
}

const taskEndpoints = (task: Task): DirectoryEndpoint[] =>
  task.networks.flatMap(({ addresses, networkName }) =>
    addresses.map((cidr) => ({
      address: addressOf(cidr),
      owner: slotName(task),
      namespace: task.id,
      node: task.nodeId,
      network: networkName,
    })),
  );

/** Of its ingress_sbox. What it has of routed networks is on a bridge of the node itself. */
const nodeEndpoints = (node: Node, networks: readonly Network[]): DirectoryEndpoint[] =>
  node.attachments
    .filter(({ networkId }) => networks.find(({ id }) => id === networkId)?.spec.driver !== 'routed')
    .flatMap(({ addresses, networkName }) =>
      addresses.map((cidr) => ({
        address: addressOf(cidr),
        owner: 'ingress_sbox',
        namespace: 'ingress_sbox',
        node: node.id,
        network: networkName,
      })),
    );

const virtualEndpoints = ({ spec, endpoint }: Service, networks: readonly Network[]): DirectoryEndpoint[] =>
  endpoint.virtualIps.map(({ address, networkId }) => ({
    address: addressOf(address),
    owner: `service ${spec.name}`,
    namespace: '',
    node: '',
    network: networks.find(({ id }) => id === networkId)?.spec.name ?? networkId,
  }));

const containerEndpoints = ({ name, namespace, node, endpoints }: ContainerPlace): DirectoryEndpoint[] =>
  endpoints.flatMap(({ addresses, networkName }) =>
    addresses.map((cidr) => ({ address: addressOf(cidr), owner: name, namespace, node, network: networkName })),
  );
