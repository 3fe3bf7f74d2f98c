import type { Clock } from '../../lib/clock.js';
import { alreadyExists, failedPrecondition, invalidArgument } from '../../lib/errors.js';
import { addressOf, parseCidr } from '../../lib/ip.js';
import type { LocalBridge } from '../../netlb/state.js';
import { type IPAMConfig, LocalNetwork, NetworkSpec } from '../../proto/gen/index.js';
import { bridgeOptions, checkOptionNames, DEFAULT_BRIDGE, ICC, MASQUERADE, NAME } from './bridge-options.js';
import { newLocalId, shortId } from './names.js';
import type { Named } from './refs.js';
import type { Store } from './store.js';
import { type Claim, chooseSubnets } from './subnets.js';

export interface NetworksOptions {
  readonly store: Store<LocalNetwork>;
  /** CIDR of the gateway bridge, which has its subnet whether it is there now or not. */
  readonly gatewayBridge: string;
  readonly clock: Clock;
  /** What this machine has beside our own networks. */
  claims(): readonly Claim[];
  /** Names of this machine's links. */
  links(): ReadonlySet<string>;
}

/** Link of the default network. */
const DEFAULT_LINK = 'tsswarm0';

/** Networks that are always there, by name, and their drivers. */
const PREDEFINED: Readonly<Record<string, string>> = { bridge: 'bridge', host: 'host', none: 'null' };
const RESERVED: ReadonlySet<string> = new Set(['default', 'container', 'ingress', 'swarm_gwbridge']);

export const isPredefined = ({ spec }: LocalNetwork): boolean => Object.hasOwn(PREDEFINED, spec.name);

/** @throws FAILED_PRECONDITION for one that is always there */
export function refusePredefined(network: LocalNetwork): void {
  if (!isPredefined(network)) return;
  throw failedPrecondition(`${network.spec.name} is a pre-defined network and cannot be removed`, {
    value: network.spec.name,
  });
}

/** The networks of this machine alone, each on record. */
export class LocalNetworks {
  readonly #options: NetworksOptions;
  readonly #networks = new Map<string, LocalNetwork>();

  private constructor(options: NetworksOptions) {
    this.#options = options;
  }

  /** Makes those that are always there where one is missing. */
  static async open(options: NetworksOptions): Promise<LocalNetworks> {
    const networks = new LocalNetworks(options);
    for (const network of await options.store.all()) networks.#networks.set(network.id, network);
    for (const [name, driver] of Object.entries(PREDEFINED)) {
      if (networks.named(name)) continue;
      const driverOptions: Readonly<Record<string, string>> =
        driver === 'bridge'
          ? { [DEFAULT_BRIDGE]: 'true', [ICC]: 'true', [MASQUERADE]: 'true', [NAME]: DEFAULT_LINK }
          : {};
      const spec = NetworkSpec.create({ name, driver, driverOptions });
      await networks.#add(spec, driver === 'bridge' ? DEFAULT_LINK : '');
    }
    return networks;
  }

  all(): readonly LocalNetwork[] {
    return [...this.#networks.values()];
  }

  get(id: string): LocalNetwork | undefined {
    return this.#networks.get(id);
  }

  named(name: string): LocalNetwork | undefined {
    return this.all().find(({ spec }) => spec.name === name);
  }

  refs(): readonly (Named & { readonly network: LocalNetwork })[] {
    return this.all().map((network) => ({ id: network.id, name: network.spec.name, network }));
  }

  /**
   * @throws INVALID_ARGUMENT, ALREADY_EXISTS for a name that is taken, FAILED_PRECONDITION for a subnet that
   * overlaps another
   */
  async create(spec: NetworkSpec): Promise<LocalNetwork> {
    checkSpec(spec);
    const other = this.named(spec.name);
    if (other) {
      throw alreadyExists(`network with name ${spec.name} already exists`, {
        value: spec.name,
        hint: `Its id is ${other.id}.`,
      });
    }
    const { name } = bridgeOptions(spec.driverOptions);
    if (name !== '' && this.#options.links().has(name)) {
      throw failedPrecondition(`this machine has a link "${name}" already`, {
        value: name,
        hint: `Give the bridge another name with -o ${NAME}=…`,
      });
    }
    return this.#add({ ...spec, driver: 'bridge', scope: 'local', ipamDriver: 'default' }, name);
  }

  async remove(network: LocalNetwork): Promise<void> {
    refusePredefined(network);
    // Before the write: nobody is to come into it meanwhile.
    this.#networks.delete(network.id);
    try {
      await this.#options.store.delete(network.id);
    } catch (error) {
      this.#networks.set(network.id, network);
      throw error;
    }
  }

  bridges(): LocalBridge[] {
    return this.all().flatMap((network) => {
      if (network.spec.driver !== 'bridge') return [];
      const { interContainer, masquerade, mtu } = bridgeOptions(network.spec.driverOptions);
      return [
        {
          id: network.id,
          name: network.bridge,
          gateways: network.ipam.map(gatewayCidr),
          mtu,
          internal: network.spec.internal,
          interContainer,
          masquerade,
        },
      ];
    });
  }

  async #add(spec: NetworkSpec, link: string): Promise<LocalNetwork> {
    const { store, clock } = this.#options;
    const id = newLocalId();
    const bridged = spec.driver === 'bridge';
    const ipam = bridged
      ? chooseSubnets({ id, ipam: spec.ipam, ipv4: !spec.disableIpv4, ipv6: spec.ipv6 }, this.#claims())
      : [];
    const network = LocalNetwork.create({
      id,
      spec: { ...spec, scope: 'local' },
      ipam,
      createdAt: clock.now(),
      bridge: bridged ? link || `br-${shortId(id)}` : '',
    });
    // Before the write: another creation must not take the same subnet meanwhile.
    this.#networks.set(id, network);
    try {
      await store.put(network);
    } catch (error) {
      this.#networks.delete(id);
      throw error;
    }
    return network;
  }

  #claims(): readonly Claim[] {
    const gateway = { cidr: parseCidr(this.#options.gatewayBridge), owner: 'the gateway bridge swarm_gwbridge' };
    return [...claimsOf(this.all()), gateway, ...this.#options.claims()];
  }
}

/** The subnets of networks that are on record. */
export const claimsOf = (networks: readonly LocalNetwork[]): Claim[] =>
  networks.flatMap(({ id, spec, ipam }) =>
    ipam.map(({ subnet }) => ({ cidr: parseCidr(subnet), owner: `network "${spec.name}" (${shortId(id)})` })),
  );

function gatewayCidr({ subnet, gateway }: IPAMConfig): string {
  return `${addressOf(gateway)}/${parseCidr(subnet).prefix}`;
}

function checkSpec(spec: NetworkSpec): void {
  const { name, driver, scope } = spec;
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/.test(name)) {
    throw invalidArgument(`"${name}" is not a valid network name`, {
      value: name,
      hint: 'It begins with a letter or digit, and has only those and _ . - in it.',
    });
  }
  if (Object.hasOwn(PREDEFINED, name) || RESERVED.has(name)) {
    throw failedPrecondition(`operation is not permitted on predefined ${name} network`, { value: name });
  }
  if (driver !== '' && driver !== 'bridge') {
    const only = driver === 'host' || driver === 'null';
    throw invalidArgument(
      only ? `only one instance of "${driver}" network is allowed` : `network driver "${driver}" is not known here`,
      { value: driver, hint: 'Use bridge, or overlay or routed on a manager of a swarm.' },
    );
  }
  if (scope !== '' && scope !== 'local')
    throw invalidArgument(`a bridge has scope local, not "${scope}"`, { value: scope });
  if (spec.ingress) throw invalidArgument('a bridge cannot be the ingress network');
  if (spec.ipamDriver !== '' && spec.ipamDriver !== 'default') {
    throw invalidArgument(`IPAM driver "${spec.ipamDriver}" is not known`, {
      value: spec.ipamDriver,
      hint: 'Use default.',
    });
  }
  const [option] = Object.keys(spec.ipamOptions);
  if (option !== undefined) throw invalidArgument(`IPAM option "${option}" is not known`, { value: option });
  if (spec.configFrom !== '') throw invalidArgument('--config-from is not supported', { value: spec.configFrom });
  checkOptionNames(spec.driverOptions);
  bridgeOptions(spec.driverOptions);
}
