/** Desired states of a small swarm, as managers would send them. Pure. */
import { macOf } from '../../lib/ip.js';
import type { Scheduler } from '../../lib/schedulers.js';
import type {
  Backend,
  DesiredState,
  HostPort,
  IngressPort,
  Overlay,
  PublishedPort,
  Sandbox,
  TransportProtocol,
} from '../../netlb/state.js';

export const CLIENT = '192.0.2.100';
export const nodeAddress = (node: number): string => `192.0.2.${node}`;
export const CLIENT6 = '2001:db8::100';
export const nodeAddress6 = (node: number): string => `2001:db8::${node}`;

/** 25 characters that differ in the first ten. */
export const idOf = (name: string): string => name.padEnd(25, '0');

export const INGRESS = idOf('ingress');
export const ingressName = '1-ingress000';

export interface Task {
  readonly name: string;
  readonly node: number;
  /** Last byte of its addresses in each of its networks. */
  readonly host: number;
  /** Names of networks beside the ingress network. */
  readonly networks?: readonly string[];
  readonly ingress?: boolean;
  readonly hostPorts?: readonly HostPort[];
  readonly gateway?: boolean;
}

export interface Service {
  readonly protocol: TransportProtocol;
  readonly published: number;
  readonly target?: number;
  readonly hostAddress?: string;
  readonly scheduler?: Scheduler;
  /** Seconds. */
  readonly affinity?: number;
  /** Names of tasks, or with a weight. */
  readonly backends: readonly (string | { readonly task: string; readonly weight: number })[];
}

export interface Swarm {
  readonly nodes: readonly number[];
  readonly tasks: readonly Task[];
  readonly services?: readonly Service[];
  /** Networks in order: the first is 10.0.1.0/24 with VNI 4097. */
  readonly networks?: readonly string[];
  /** Virtual addresses by network; all tasks of the network get them. */
  readonly virtual?: readonly {
    readonly network: string;
    readonly address: string;
    readonly tasks: readonly string[];
  }[];
  readonly ingress?: boolean;
  /** Whether the ingress network has IPv6 too: fd00:6::/64, and hosts as in IPv4. */
  readonly ipv6?: boolean;
}

const subnetOf = ({ networks = [] }: Swarm, network: string): string =>
  network === 'ingress' ? '10.0.0' : `10.0.${networks.indexOf(network) + 1}`;

/** Where a task's services find it: its address in a network. */
export const addressIn = (swarm: Swarm, network: string, host: number): string => `${subnetOf(swarm, network)}.${host}`;

const inIngress = (task: Task): boolean => task.ingress !== false;
const networksOf = (task: Task): string[] => [...(inIngress(task) ? ['ingress'] : []), ...(task.networks ?? [])];

/** All addresses of an endpoint: the IPv4 one first, which its MAC is told from. */
const addressesIn = (swarm: Swarm, network: string, host: number): readonly [string, ...string[]] => [
  addressIn(swarm, network, host),
  ...(network === 'ingress' && swarm.ipv6 ? [`fd00:6::${host}`] : []),
];

function backendsOf(swarm: Swarm, network: string, list: Service['backends']): Backend[] {
  return list.flatMap((entry) => {
    const { task: name, weight } = typeof entry === 'string' ? { task: entry, weight: 1 } : entry;
    const task = swarm.tasks.find((candidate) => candidate.name === name);
    if (!task) throw new TypeError(`no task ${name}`);
    return addressesIn(swarm, network, task.host).map((address) => ({ address, weight }));
  });
}

function overlayOf(swarm: Swarm, network: string, node: number): Overlay {
  const subnet = subnetOf(swarm, network);
  const sandboxes = network === 'ingress' ? swarm.nodes.map((n) => ({ node: n, host: n + 1, sandbox: true })) : [];
  const members = swarm.tasks.filter((task) => networksOf(task).includes(network));
  return {
    id: idOf(network),
    vni: network === 'ingress' ? 4096 : 4097 + (swarm.networks ?? []).indexOf(network),
    gateways: [`${subnet}.1/24`, ...(network === 'ingress' && swarm.ipv6 ? ['fd00:6::1/64'] : [])],
    mtu: 0,
    remotes: [...sandboxes, ...members]
      .filter((member) => member.node !== node)
      .flatMap((member) => {
        const addresses = addressesIn(swarm, network, member.host);
        const sandbox = 'sandbox' in member ? { sandbox: true } : {};
        const [first] = addresses;
        return addresses.map((address) => ({ address, mac: macOf(first), vtep: nodeAddress(member.node), ...sandbox }));
      }),
  };
}

const portsOf = ({ services = [] }: Swarm, { name }: Task): IngressPort[] =>
  services
    .filter(({ backends }) => backends.some((entry) => (typeof entry === 'string' ? entry : entry.task) === name))
    .map(({ protocol, published, target = 80 }) => ({ protocol, published, target }));

function sandboxOf(swarm: Swarm, task: Task): Sandbox {
  return {
    id: idOf(task.name),
    endpoints: networksOf(task).map((network) => {
      const addresses = addressesIn(swarm, network, task.host);
      return { networkId: idOf(network), addresses, mac: macOf(addresses[0]) };
    }),
    gateway: task.gateway !== false,
    virtualServices: (swarm.virtual ?? [])
      .filter(({ network }) => task.networks?.includes(network))
      .map(({ network, address, tasks }) => ({ address, backends: backendsOf(swarm, network, tasks) })),
    ingress: inIngress(task)
      ? {
          subnets: ['10.0.0.0/24', ...(swarm.ipv6 ? ['fd00:6::/64'] : [])],
          overlayId: INGRESS,
          ports: portsOf(swarm, task),
        }
      : undefined,
    hostPorts: task.hostPorts ?? [],
    resolver: undefined,
  };
}

/** What one node of the swarm is asked for. Sandboxes of ingress are 10.0.0.(node + 1). */
export function desiredState(swarm: Swarm, node: number): DesiredState {
  const tasks = swarm.tasks.filter((task) => task.node === node);
  const networks = ['ingress', ...(swarm.networks ?? [])];
  const local = networks.filter((name) => name === 'ingress' || tasks.some((task) => networksOf(task).includes(name)));
  const addresses = addressesIn(swarm, 'ingress', node + 1);
  return {
    underlay: { address: nodeAddress(node), vxlanPort: 4789 },
    gatewayBridge: { address: '172.18.0.1/16', address6: swarm.ipv6 ? 'fd00:7473::1/64' : '' },
    overlays: (swarm.ingress === false ? local.slice(1) : local).map((network) => overlayOf(swarm, network, node)),
    bridges: [],
    routed: [],
    zones: [],
    sandboxes: tasks.map((task) => sandboxOf(swarm, task)),
    ingress:
      swarm.ingress === false
        ? undefined
        : {
            overlayId: INGRESS,
            addresses: addresses.map((address) => (address.includes(':') ? `${address}/64` : `${address}/24`)),
            mac: macOf(addresses[0]),
            services: (swarm.services ?? []).map(
              (service): PublishedPort => ({
                protocol: service.protocol,
                published: service.published,
                target: service.target ?? 80,
                hostAddress: service.hostAddress ?? '',
                backends: backendsOf(swarm, 'ingress', service.backends),
                ...(service.scheduler && { scheduler: service.scheduler }),
                ...(service.affinity && { affinity: service.affinity }),
              }),
            ),
          },
  };
}
