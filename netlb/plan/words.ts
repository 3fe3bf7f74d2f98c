/** Differences between what shall be and what was found, in the words of `ip`, `bridge` and `nft`. */
import type { RuleBlueprint } from '../blueprint/model.js';
import { type IpvsService, ipvsServiceName } from '../kernel/ipvs.js';
import { associationName } from '../kernel/xfrm.js';
import { NODE_NAMESPACE } from '../names.js';
import type { Transaction } from '../nft/diff.js';
import type { LinkAttributes, Operation, RemoteEntries } from './operation.js';

/** More of a kind than this are counted, not named. */
const NAMED = 3;
/** More operations in one namespace are counted, not named. */
const TOLD = 20;

/**
 * What was wrong with the kernel that this operation put right: "address 10.0.1.5/24 of eth0 was missing (in 1-abc…)".
 * Empty for operations that only follow from others.
 */
export function foundBy(operation: Operation): readonly string[] {
  const { namespace } = operation;
  const place = namespace === NODE_NAMESPACE ? '' : ` (in ${namespace})`;
  return found(operation).map((words) => `${words}${place}`);
}

function found(operation: Operation): readonly string[] {
  switch (operation.kind) {
    case 'create-namespace':
      return ['the network namespace was missing'];
    case 'name-namespace':
      return ['the file of the network namespace was missing'];
    case 'remove-namespace':
      return ['nothing asked for the network namespace'];
    case 'remove-stale-file':
      return ['the file of the network namespace led to none'];
    case 'set-sysctl':
      return [`${operation.key} was not ${operation.value}`];
    case 'raise-loopback':
      return ['lo was down'];
    case 'remove-links':
      return some(operation.names, (name) => `nothing asked for the link ${name}`);
    case 'create-bridge':
      return [`the bridge ${operation.bridge.name} was missing`];
    case 'create-vxlan':
      return [`the VXLAN device ${operation.vxlan.name} (VNI ${operation.vxlan.vni}) was missing`];
    case 'create-interface':
      return [`${operation.interface.name}, a veth pair with ${operation.interface.port.name}, was missing`];
    case 'change-link':
      return changes(operation.change).map((change) => `${operation.name} ${change}`);
    case 'add-address':
      return [`the address ${operation.cidr} of ${operation.link} was missing`];
    case 'remove-address':
      return [`nothing asked for the address ${operation.cidr} of ${operation.link}`];
    case 'add-remotes':
      return some(operation.remotes.flatMap(entries), (entry) => `the ${entry} of ${operation.vxlan} was missing`);
    case 'remove-remotes':
      return some(
        operation.remotes.flatMap(entries),
        (entry) => `nothing asked for the ${entry} of ${operation.vxlan}`,
      );
    case 'set-route':
      return [`the route ${operation.route.destination} of ${operation.route.interface} was missing or another`];
    case 'remove-route':
      return [`nothing asked for the route ${operation.destination}`];
    case 'add-rule':
      return [`the IPv${operation.rule.family} rule ${ruleText(operation.rule)} was missing`];
    case 'set-neighbour':
      return [
        `the neighbour ${operation.neighbour.address} of ${operation.neighbour.interface} was missing or another`,
      ];
    case 'set-ipvs-timeouts':
      return ['the time-outs of IPVS were others'];
    case 'add-ipvs-service':
      return [`the IPVS service ${ipvsServiceName(operation.service.id)} was missing`];
    case 'set-ipvs-service':
      return [`the IPVS service ${ipvsServiceName(operation.service.id)} was not ${settings(operation.service)}`];
    case 'remove-ipvs-service':
      return [`nothing asked for the IPVS service ${ipvsServiceName(operation.service)}`];
    case 'add-ipvs-destinations':
      return some(
        operation.destinations,
        ({ address }) =>
          `the destination ${address} of the IPVS service ${ipvsServiceName(operation.service)} was missing`,
      );
    case 'set-ipvs-destinations':
      return some(
        operation.destinations,
        ({ address, weight }) =>
          `the destination ${address} of the IPVS service ${ipvsServiceName(operation.service)} was not masquerading with weight ${weight}`,
      );
    case 'remove-ipvs-destinations':
      return some(
        operation.destinations,
        ({ address }) =>
          `nothing asked for the destination ${address} of the IPVS service ${ipvsServiceName(operation.service)}`,
      );
    case 'add-associations':
      return some(operation.associations, (item) => `the security association ${associationName(item)} was missing`);
    case 'remove-associations':
      return some(
        operation.associations,
        (item) => `nothing asked for the security association ${associationName(item)}`,
      );
    case 'set-policies':
      return some(operation.policies, (item) => `the security policy ${associationName(item)} was missing or another`);
    case 'remove-policies':
      return some(operation.policies, (item) => `nothing asked for the security policy ${associationName(item)}`);
    case 'run-nft':
      return [`nftables differed: ${commands(operation.commands)}`];
    case 'forget-flows':
      return [];
  }
}

/**
 * What operations do, by the namespace in which they do it, as logs say it:
 * `{ ingress_sbox: ["run-nft add element …", "add-address eth1 10.0.0.5/24"] }`. Many in one namespace are counted.
 */
export function doneIn(operations: readonly Operation[]): Record<string, string[]> {
  const told: Record<string, string[]> = {};
  const more = new Map<string, number>();
  for (const operation of operations) {
    const place = operation.namespace === NODE_NAMESPACE ? 'node' : operation.namespace;
    told[place] ??= [];
    const list = told[place];
    if (list.length < TOLD) list.push(`${operation.kind} ${objectOf(operation)}`.trimEnd());
    else more.set(place, (more.get(place) ?? 0) + 1);
  }
  for (const [place, count] of more) told[place]?.push(`and ${count} more`);
  return told;
}

/** What an operation is about, in a few words. */
function objectOf(operation: Operation): string {
  switch (operation.kind) {
    case 'create-namespace':
    case 'name-namespace':
    case 'remove-namespace':
    case 'remove-stale-file':
    case 'raise-loopback':
    case 'set-ipvs-timeouts':
      return '';
    case 'set-sysctl':
      return `${operation.key}=${operation.value}`;
    case 'remove-links':
      return some(operation.names, String).join(', ');
    case 'create-bridge':
      return operation.bridge.name;
    case 'create-vxlan':
      return `${operation.vxlan.name} (VNI ${operation.vxlan.vni})`;
    case 'create-interface':
      return operation.interface.name;
    case 'change-link':
      return `${operation.name} ${Object.keys(operation.change).join(', ')}`;
    case 'add-address':
    case 'remove-address':
      return `${operation.cidr} ${operation.link}`;
    case 'add-remotes':
    case 'remove-remotes':
      return `${some(operation.remotes.flatMap(entries), String).join(', ')} of ${operation.vxlan}`;
    case 'set-route':
      return `${operation.route.destination} ${operation.route.interface}`;
    case 'remove-route':
      return operation.destination;
    case 'add-rule':
      return ruleText(operation.rule);
    case 'set-neighbour':
      return `${operation.neighbour.address} ${operation.neighbour.interface}`;
    case 'add-ipvs-service':
      return ipvsServiceName(operation.service.id);
    case 'set-ipvs-service':
      return `${ipvsServiceName(operation.service.id)} ${settings(operation.service)}`;
    case 'remove-ipvs-service':
      return ipvsServiceName(operation.service);
    case 'add-ipvs-destinations':
    case 'set-ipvs-destinations':
    case 'remove-ipvs-destinations': {
      const named = some(operation.destinations, ({ address, weight }) => `${address} weight ${weight}`);
      return `${ipvsServiceName(operation.service)}: ${named.join(', ')}`;
    }
    case 'add-associations':
    case 'remove-associations':
      return some<Parameters<typeof associationName>[0]>(operation.associations, associationName).join(', ');
    case 'set-policies':
    case 'remove-policies':
      return some(operation.policies, associationName).join(', ');
    case 'run-nft':
      return commands(operation.commands);
    case 'forget-flows':
      return String(operation.flows.length + operation.ways.length);
  }
}

const settings = ({ settings: { scheduler, persistence } }: IpvsService): string =>
  `${scheduler}${persistence > 0 ? `, persistent for ${persistence} s` : ''}`;

const ruleText = ({ fwmark, table }: RuleBlueprint): string =>
  `${fwmark === undefined ? '' : `for mark ${fwmark} `}to table ${table}`;

function some<T>(items: readonly T[], words: (item: T) => string): string[] {
  const named = items.slice(0, NAMED).map(words);
  const last = named.at(-1);
  const more = items.length - named.length;
  return more > 0 && last !== undefined ? [...named.slice(0, -1), `${last}, and ${more} more like it`] : named;
}

function entries({ neighbour, forward, port }: RemoteEntries): string[] {
  return [
    ...(neighbour ? [`neighbour ${neighbour.address} (${neighbour.mac})`] : []),
    ...(forward ? [`FDB entry ${forward.mac} dst ${forward.vtep}`] : []),
    ...(port ? [`FDB entry ${port.mac} of the bridge, port`] : []),
  ];
}

function changes({ mac, mtu, up, master, isolated, hairpin, alias }: LinkAttributes): string[] {
  return [
    ...(mac !== undefined ? [`had another MAC than ${mac}`] : []),
    ...(mtu !== undefined ? [`had another MTU than ${mtu}`] : []),
    ...(up ? ['was down'] : []),
    ...(master !== undefined ? [`was no port of ${master}`] : []),
    ...(isolated !== undefined ? [isolated ? 'was not isolated' : 'was isolated'] : []),
    ...(hairpin !== undefined ? [hairpin ? 'was no hairpin port' : 'was a hairpin port'] : []),
    ...(alias !== undefined ? [`had not the alias "${alias}"`] : []),
  ];
}

/** `flush chain` and the rules that follow it are one difference: the chain's. */
function commands(transaction: Transaction): string {
  const short = transaction.map(
    (command) => /^(?:add|flush|delete) \w+ \S+ \S+(?: \S+)?/.exec(command)?.[0] ?? command,
  );
  const named = [...new Set(short)].filter((command, _, all) => {
    const rule = /^add rule (.*)$/.exec(command);
    return !rule || !all.includes(`flush chain ${rule[1]}`);
  });
  return some(named, (command) => command).join(', ');
}
