import { failedPrecondition, invalidArgument, SwarmError } from '../../lib/errors.js';
import type { Listener } from '../../netlb/kernel/listeners.js';
import {
  ContainerNetwork,
  type LocalNetwork,
  type PortConfig,
  RunPhase,
  type StoredContainer,
  type StoredEndpoint,
} from '../../proto/gen/index.js';
import type { AttachmentsClient } from '../agent/attachments.js';
import { AddressBook, AddressTaken } from './addresses.js';
import {
  askedAddresses,
  checkAsked,
  localEndpoint,
  networkMode,
  nextInterface,
  noSuchNetwork,
  swarmEndpoint,
} from './endpoints.js';
import { SHORT_ID } from './names.js';
import type { LocalNetworks } from './networks.js';
import { choosePorts, FIRST_OPEN_PORT, type PublishedAlready, publishedBy } from './ports.js';
import { findRef } from './refs.js';
import type { Housing } from './runner-context.js';

export interface HousingOptions {
  readonly networks: LocalNetworks;
  readonly attachments: AttachmentsClient;
  /** Whether this machine is in a swarm. */
  inSwarm(): boolean;
  containers(): readonly StoredContainer[];
  /** What this machine publishes beside its own containers. */
  published(): readonly PublishedAlready[];
  listeners(): readonly Listener[];
}

/** Gives containers their endpoints and ports, and takes them back. */
export class Quarters {
  readonly book = new AddressBook();
  readonly #options: HousingOptions;
  /** Ports by container, from the choice on. */
  readonly #ports = new Map<string, readonly PortConfig[]>();
  #nextPort: number | undefined;

  constructor(options: HousingOptions) {
    this.#options = options;
    for (const network of options.networks.all()) this.book.add(network);
  }

  /** Takes in what is on record. */
  load(): void {
    const records = this.#options.containers();
    for (const record of records) {
      if (record.ports.length > 0) this.#ports.set(record.id, record.ports);
      for (const { endpoint } of record.endpoints) {
        if (endpoint.driver !== 'bridge') continue;
        for (const address of endpoint.addresses) {
          unlessRefused(() => this.book.reserve(endpoint.networkId, address, record.id));
        }
      }
    }
    this.book.resume();
    // What cannot be kept any more is told at the next start of the container.
    for (const record of records) {
      for (const asked of record.config.networks) unlessRefused(() => this.reserve(record, asked));
    }
  }

  /** Addresses asked for are a container's as long as it is there. @throws as AddressBook.reserve, with the owner's name */
  reserve(record: StoredContainer, asked: ContainerNetwork): void {
    const network = this.local(asked.network);
    if (!network) return;
    checkAsked(asked, network);
    const kept: string[] = [];
    try {
      for (const address of askedAddresses(asked)) kept.push(this.#reserve(network, address, record.id));
    } catch (error) {
      this.book.release(network.id, kept, record.id);
      throw error;
    }
  }

  /** Gives all up that it has asked for. */
  unreserve(record: StoredContainer, networks: readonly ContainerNetwork[] = record.config.networks): void {
    for (const asked of networks) {
      const network = this.local(asked.network);
      if (!network) continue;
      const cidrs = network.ipam.flatMap(({ subnet }) =>
        askedAddresses(asked).map((address) => `${address}/${subnet.split('/')[1]}`),
      );
      this.book.release(network.id, cidrs, record.id);
    }
  }

  /**
   * A network of this machine. In a swarm a few digits do not lead to one by its id: they may be the name of a
   * network that only managers know.
   * @throws FAILED_PRECONDITION when several fit
   */
  local(ref: string): LocalNetwork | undefined {
    const { networks, inSwarm } = this.#options;
    const name = ref === '' || ref === 'default' ? 'bridge' : ref;
    const known = networks.named(name);
    if (known || (inSwarm() && name.length < SHORT_ID)) return known;
    return findRef('network', networks.refs(), name)?.network;
  }

  /** @throws what is to be told to who starts it; nothing is kept then */
  async house(record: StoredContainer, signal: AbortSignal): Promise<Housing> {
    const mode = networkMode(record.config);
    if (mode.kind === 'container') {
      this.sharedWith(mode.ref);
      return { endpoints: [], ports: [] };
    }
    const endpoints: StoredEndpoint[] = [];
    try {
      const ports = mode.kind === 'networks' ? this.#choosePorts(record) : [];
      for (const asked of networksOf(record)) endpoints.push(await this.attach(record, asked, endpoints, signal));
      return { endpoints, ports };
    } catch (error) {
      this.release(record, endpoints);
      throw error;
    }
  }

  /**
   * One endpoint. @param others that the container has already
   * @throws FAILED_PRECONDITION for a network that is not there, and what managers say
   */
  async attach(
    record: StoredContainer,
    asked: ContainerNetwork,
    others: readonly StoredEndpoint[],
    signal: AbortSignal,
  ): Promise<StoredEndpoint> {
    const details = { asked, container: record, interface: nextInterface(others) };
    const network = this.local(asked.network);
    if (!network) return this.#attachToSwarm(record, asked, details, signal);
    checkAsked(asked, network);
    if (network.spec.driver !== 'bridge') return localEndpoint(network, [], details);
    const kept = askedAddresses(asked).map((address) => this.#reserve(network, address, record.id));
    return localEndpoint(network, this.book.take(network.id, kept, record.id), details);
  }

  /** Takes all back. @returns the attachments that managers are to be told of */
  release(record: StoredContainer, endpoints: readonly StoredEndpoint[]): readonly string[] {
    this.#ports.delete(record.id);
    return this.detach(record, endpoints);
  }

  /** Takes endpoints back. @returns as `release` */
  detach(record: StoredContainer, endpoints: readonly StoredEndpoint[]): readonly string[] {
    for (const { endpoint } of endpoints) {
      const asked = record.config.networks
        .filter(({ network }) => this.local(network)?.id === endpoint.networkId)
        .flatMap(askedAddresses);
      const given = endpoint.addresses.filter((cidr) => !asked.includes(cidr.replace(/\/.*$/, '')));
      this.book.release(endpoint.networkId, given, record.id);
    }
    return endpoints.flatMap(({ taskId }) => (taskId === '' ? [] : [taskId]));
  }

  /** The container whose network another one shares. @throws NOT_FOUND, FAILED_PRECONDITION when it does not run */
  sharedWith(ref: string): StoredContainer {
    const refs = this.#options.containers().map((record) => ({ id: record.id, name: record.config.name, record }));
    const found = findRef('container', refs, ref);
    if (!found) throw failedPrecondition(`No such container: ${ref}`, { value: ref });
    if (found.record.phase !== RunPhase.RUNNING) {
      throw failedPrecondition(`cannot join network of a non running container: ${found.name}`, { value: ref });
    }
    return found.record;
  }

  async #attachToSwarm(
    record: StoredContainer,
    asked: ContainerNetwork,
    details: Parameters<typeof swarmEndpoint>[2],
    signal: AbortSignal,
  ): Promise<StoredEndpoint> {
    const { attachments, inSwarm } = this.#options;
    if (!inSwarm()) throw noSuchNetwork(asked.network);
    if (asked.mac !== '') {
      throw invalidArgument('a MAC address cannot be asked for in a network of the swarm', { value: asked.mac });
    }
    const request = {
      network: asked.network,
      containerId: record.id,
      containerName: record.config.name,
      aliases: asked.aliases,
      addresses: askedAddresses(asked),
    };
    const { task, network } = await attachments.attach(request, signal);
    const attachment = task.networks.find(({ networkId }) => networkId === network.id);
    if (!attachment) throw failedPrecondition(`managers gave no endpoint in network ${asked.network}`);
    const { driver, internal } = network.spec;
    return swarmEndpoint(attachment, { taskId: task.id, driver, internal }, details);
  }

  #choosePorts(record: StoredContainer): readonly PortConfig[] {
    const { containers, published, listeners } = this.#options;
    const { ports, publishAll } = record.config;
    if (ports.length === 0 && !publishAll) return [];
    const names = new Map(containers().map(({ id, config }) => [id, config.name]));
    const taken = [...this.#ports].flatMap(([id, held]) =>
      id === record.id ? [] : held.map((port) => publishedBy(port, `container "${names.get(id) ?? id}"`)),
    );
    const request = { ports, exposed: publishAll ? record.exposed : [] };
    const chosen = choosePorts(request, [...taken, ...published()], listeners(), this.#nextPort);
    const highest = Math.max(...chosen.map(({ publishedPort }) => publishedPort));
    if (highest >= FIRST_OPEN_PORT) this.#nextPort = highest + 1;
    this.#ports.set(record.id, chosen);
    return chosen;
  }

  #reserve(network: LocalNetwork, address: string, owner: string): string {
    try {
      return this.book.reserve(network.id, address, owner);
    } catch (error) {
      if (!(error instanceof AddressTaken)) throw error;
      const name = this.#options.containers().find(({ id }) => id === error.owner)?.config.name ?? error.owner;
      throw failedPrecondition(`Address already in use: ${address} is that of container "${name}"`, { value: address });
    }
  }
}

/** For records that do not go together, as when one could not be read: the containers run, and the rest goes on. */
function unlessRefused(reserve: () => unknown): void {
  try {
    reserve();
  } catch (error) {
    if (!(error instanceof SwarmError || error instanceof AddressTaken)) throw error;
  }
}

/** The networks that a container is to have endpoints in: those of its configuration, or the default. */
export function networksOf({ config }: StoredContainer): readonly ContainerNetwork[] {
  if (networkMode(config).kind === 'container') return [];
  return config.networks.length > 0 ? config.networks : [ContainerNetwork.create({ network: 'bridge' })];
}
