/** The desired state of one node of a large swarm, all of whose published ports it answers on, while tasks are replaced. */
import { formatAddress, macOf, parseAddress } from '../../lib/ip.js';
import type { DesiredState, PublishedPort, RemoteEndpoint, Sandbox } from '../../netlb/state.js';

export const TASKS_PER_SERVICE = 10;
/** Of the one service whose tasks are of this node and answer; the others' ports are above. */
export const PORT = 8080;
const FIRST_PORT = 10_000;
/** Tasks of that service. */
export const SERVERS = 2;
export const sandboxId = (server: number): string => `server${server}`.padEnd(25, '0');

const INGRESS = 'ingress'.padEnd(25, '0');
const OTHER_NODES = 9;
/** Hosts of 10.0.0.0/8: from here on servers, and tasks of other nodes. */
const FIRST_SERVER = 256;
const FIRST_TASK = 1024;
/** An address comes again after so many replacements. */
const ADDRESSES = 60_000;

const at = (host: number): string => formatAddress({ family: 4, value: parseAddress('10.0.0.0').value + BigInt(host) });

function remote(task: number): RemoteEndpoint {
  const address = at(FIRST_TASK + (task % ADDRESSES));
  return { address, mac: macOf(address), vtep: `198.51.100.${101 + (task % OTHER_NODES)}` };
}

const ports = [{ protocol: 'tcp', published: PORT, target: 80 }] as const;

function server(i: number): Sandbox {
  const address = at(FIRST_SERVER + i);
  return {
    id: sandboxId(i),
    endpoints: [{ networkId: INGRESS, addresses: [address], mac: macOf(address) }],
    gateway: true,
    virtualServices: [],
    ingress: { subnets: ['10.0.0.0/8'], overlayId: INGRESS, ports },
    hostPorts: [],
    resolver: undefined,
  };
}

const own: PublishedPort = {
  ...ports[0],
  hostAddress: '',
  backends: Array.from({ length: SERVERS }, (_, i) => ({ address: at(FIRST_SERVER + i), weight: 1 })),
};

export class LargeSwarm {
  readonly #underlay: string;
  /** All tasks, those of one service together. */
  readonly #remotes: RemoteEndpoint[];
  readonly #services: PublishedPort[];
  #replaced = 0;

  /** @param services published ports, that of this node's own tasks included */
  constructor(underlay: string, services: number) {
    this.#underlay = underlay;
    this.#remotes = Array.from({ length: (services - 1) * TASKS_PER_SERVICE }, (_, task) => remote(task));
    this.#services = Array.from({ length: services - 1 }, (_, service) => this.#published(service));
  }

  /** Replaces one task: each time of the next service. */
  replace(): void {
    const n = this.#replaced++;
    const others = this.#services.length;
    const service = n % others;
    const task = service * TASKS_PER_SERVICE + (Math.floor(n / others) % TASKS_PER_SERVICE);
    this.#remotes[task] = remote(this.#remotes.length + n);
    this.#services[service] = this.#published(service);
  }

  /** As it is now: what is replaced later has no part in it. */
  get state(): DesiredState {
    return {
      underlay: { address: this.#underlay, vxlanPort: 4789 },
      gatewayBridge: { address: '172.18.0.1/16', address6: '' },
      overlays: [{ id: INGRESS, vni: 4096, gateways: ['10.0.0.1/8'], mtu: 0, remotes: [...this.#remotes] }],
      bridges: [],
      routed: [],
      sandboxes: Array.from({ length: SERVERS }, (_, i) => server(i)),
      ingress: {
        overlayId: INGRESS,
        addresses: ['10.0.0.2/8'],
        mac: macOf('10.0.0.2'),
        services: [own, ...this.#services],
      },
      zones: [],
    };
  }

  #published(service: number): PublishedPort {
    const first = service * TASKS_PER_SERVICE;
    return {
      protocol: 'tcp',
      published: FIRST_PORT + service,
      target: 80,
      hostAddress: '',
      backends: this.#remotes.slice(first, first + TASKS_PER_SERVICE).map(({ address }) => ({ address, weight: 1 })),
    };
  }
}
