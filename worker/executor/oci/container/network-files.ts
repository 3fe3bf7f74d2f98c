import { addressOf } from '../../../../lib/ip.js';
import type { ContainerSettings } from '../../executor.js';

const LOCAL = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::0\tip6-localnet',
  'ff00::0\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];

/** What a container's files of names are made from. */
export type Names = Pick<ContainerSettings, 'networkNamespace' | 'hosts' | 'addresses' | 'dns'>;

/** /etc/hosts (hosts(5)). @param node the node's own, for containers in its network namespace */
export function hostsFile(settings: Omit<Names, 'dns'>, hostname: string, node: string): string {
  const extra = settings.hosts.map((line) => line.trim().replace(/\s+/, '\t'));
  if (settings.networkNamespace === '') return `${[node.trimEnd(), ...extra].join('\n')}\n`;
  const own = settings.addresses.map((address) => `${addressOf(address)}\t${hostname}`);
  return `${[...LOCAL, ...extra, ...own].join('\n')}\n`;
}

/**
 * /etc/resolv.conf (resolv.conf(5)): the settings', and for what they leave open the node's. A
 * resolver on the node's loopback is out of reach of a container with a network of its own.
 */
export function resolvFile(settings: Pick<Names, 'networkNamespace' | 'dns'>, node: string): string {
  const { nameservers, search, options } = settings.dns;
  const reachable = (address: string) => settings.networkNamespace === '' || !/^(?:127\.|::1$)/.test(address);
  const lines = node.split('\n').map((line) => line.trim().split(/\s+/));
  const of = (keyword: string) => lines.filter(([first]) => first === keyword).flatMap(([, ...rest]) => rest);
  const servers = nameservers.length > 0 ? nameservers : of('nameserver').filter(reachable);
  const domains = search.length > 0 ? search : of('search');
  const all = options.length > 0 ? options : of('options');
  return [
    ...servers.map((address) => `nameserver ${address}\n`),
    ...(domains.length > 0 ? [`search ${domains.join(' ')}\n`] : []),
    ...(all.length > 0 ? [`options ${all.join(' ')}\n`] : []),
  ].join('');
}
