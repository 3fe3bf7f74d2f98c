import { addressOf } from '../../lib/ip.js';
import { logSettings } from '../../lib/log-drivers.js';
import type { ContainerConfig, StoredContainer } from '../../proto/gen/index.js';
import { type Resolvers, resolverSettings } from '../agent/resolv-conf.js';
import { dnsSettings, specSettings } from '../agent/spec-settings.js';
import type { ContainerSettings } from '../executor/executor.js';
import { networkMode } from './endpoints.js';
import { shortId } from './names.js';

export interface LocalSettingsContext {
  readonly resolvers: Resolvers;
  /** File of a sandbox's network namespace. */
  namespacePath(sandboxId: string): string;
  /** The container whose network it shares. */
  readonly host: StoredContainer | undefined;
}

/** @throws INVALID_ARGUMENT for what this node cannot give it */
export function localSettings(record: StoredContainer, context: LocalSettingsContext): ContainerSettings {
  const { id, config } = record;
  const { container, resources } = config;
  // What shares a network shares its names.
  const owner = context.host ?? record;
  return {
    ...specSettings(container, resources),
    id,
    name: config.name,
    hostname: hostnameOf(owner),
    stdinOnce: config.attachStdin,
    labels: container.labels,
    files: [],
    hosts: owner.config.container.hosts,
    dns: dnsOf(owner.config, context.resolvers),
    log: logSettings(config.logDriver?.name ?? '', config.logDriver?.options ?? {}),
    networkNamespace: networkMode(owner.config).kind === 'host' ? '' : context.namespacePath(shortId(owner.id)),
    addresses: addressesOf(owner),
  };
}

/** For its line in /etc/hosts. */
function addressesOf({ endpoints }: StoredContainer): string[] {
  return endpoints.flatMap(({ endpoint }) => endpoint.addresses.map(addressOf));
}

/** Empty: the node's own. */
function hostnameOf({ id, config }: StoredContainer): string {
  return config.container.hostname || (networkMode(config).kind === 'host' ? '' : shortId(id));
}

/** In a network with names, the resolver; it asks what `--dns` says itself. */
function dnsOf(config: ContainerConfig, resolvers: Resolvers): ContainerSettings['dns'] {
  const { networks, container } = config;
  const named = networkMode(config).kind === 'networks' && networks.some(({ network }) => network !== 'bridge');
  return named ? resolverSettings(container.dns, resolvers) : dnsSettings(container, resolvers);
}
