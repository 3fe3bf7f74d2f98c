import { accessSync, constants, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failedPrecondition } from '../lib/errors.js';
import { probeIpvs } from './balancer/choose.js';
import { tryEncryption } from './esp-probe.js';
import { listFlows } from './kernel/conntrack.js';
import { mountOverlay, mountTmpfs, unmount } from './kernel/mounts.js';
import type { NetNamespace } from './kernel/namespace.js';

import {
  LOOPBACK_INDEX,
  newAddress,
  newBridge,
  newRoute,
  newRule,
  newVeth,
  newVxlan,
  type Operation,
  RouteSocket,
  setLink,
} from './kernel/rtnetlink.js';
import { readSysctl, sysctlPath, writeSysctl } from './kernel/sysctl.js';
import { makeTable } from './nft/make.js';
import { type BaseChain, type Chain, priorities, type Table } from './nft/table.js';

/** Where features are tried. */
export interface ProbeGround {
  /** Throw-away namespaces. */
  readonly namespace: NetNamespace;
  readonly other: NetNamespace;
  /** The node's own: only to be read. */
  readonly home: NetNamespace;
}

export interface Feature {
  readonly name: string;
  readonly meaning: string;
  readonly remedy: string;
  readonly required: boolean;
  /** Tries it. @returns what worked, in words; throws what did not. */
  attempt(ground: ProbeGround): string;
}

const kernelRemedy = (modules: string, option: string): string =>
  `Run "modprobe ${modules}"; if there is no such module, use a kernel built with ${option}, such as the ` +
  "distribution's standard one (Debian: linux-image-amd64) in place of a minimal cloud kernel.";

function links(namespace: NetNamespace, ...operations: readonly Operation[]): void {
  const socket = new RouteSocket(namespace);
  try {
    for (const operation of operations) socket.apply(operation);
  } finally {
    socket.close();
  }
}

const nat = { type: 'nat', hook: 'prerouting', priority: priorities.dstnat } as const;
const onDevice = (hook: 'ingress' | 'egress') =>
  ({ type: 'filter', hook, priority: priorities.filter, device: 'lo' }) as const;

const chain = (name: string, { rule, ...base }: Omit<BaseChain, 'policy'> & { readonly rule: string }): Chain => ({
  ...{ name, base: { ...base, policy: 'accept' }, rules: [rule] },
});

/** A feature that a rule set shows. Each has a table of its own: one refused does not fail the others. */
function ruleFeature(
  name: string,
  what: { readonly meaning: string; readonly remedy: string } & Pick<Table, 'family' | 'chains'>,
): Feature {
  const { meaning, remedy, family, chains } = what;
  return {
    name: `nftables ${name}`,
    meaning,
    remedy,
    required: true,
    attempt({ namespace }) {
      makeTable(namespace, { family, name: `probe_${name.replace(/ /g, '_')}`, sets: [], chains });
      return 'a rule was accepted';
    },
  };
}

const linkFeatures: readonly Feature[] = [
  {
    name: 'bridge',
    meaning: 'Tasks of one network on one node reach each other through a bridge.',
    remedy: kernelRemedy('bridge', 'CONFIG_BRIDGE'),
    required: true,
    attempt({ namespace }) {
      links(namespace, newBridge({ name: 'probe-br', up: true }));
      return 'made a bridge';
    },
  },
  {
    name: 'veth',
    meaning: "A task's interfaces are veth pairs.",
    remedy: kernelRemedy('veth', 'CONFIG_VETH'),
    required: true,
    attempt({ namespace, other }) {
      links(namespace, newVeth({ name: 'probe-a', peer: { name: 'probe-b', namespaceFd: other.fd } }));
      return 'made a pair across two namespaces';
    },
  },
  {
    name: 'vxlan',
    meaning: 'Overlay networks and the routing mesh carry traffic between nodes in VXLAN (UDP port 4789).',
    remedy: kernelRemedy('vxlan', 'CONFIG_VXLAN'),
    required: true,
    attempt({ namespace, other }) {
      const device = { name: 'probe-vx', vni: 4096, local: '127.0.0.1', port: 4789, learning: false, proxy: true };
      links(namespace, setLink({ index: 1 }, { up: true }), newVxlan({ ...device, namespaceFd: other.fd }));
      links(other, setLink({ name: device.name }, { up: true }));
      return 'made a device with its UDP socket in another namespace';
    },
  },
  {
    name: 'policy routing',
    meaning: 'Replies of a published task go back through the node that the request came in by.',
    remedy: 'Use a kernel built with CONFIG_IP_MULTIPLE_TABLES.',
    required: true,
    attempt({ namespace }) {
      links(
        namespace,
        newRule({ family: 4, priority: 100, fwmark: 1, table: 1000 }),
        newRoute({ destination: '0.0.0.0/0', type: 'unreachable', table: 1000 }),
      );
      return 'made a rule by mark and a table of its own';
    },
  },
];

const nftKernel = kernelRemedy('nf_tables nft_chain_nat nft_numgen nft_fib_inet nft_ct', 'CONFIG_NF_TABLES');

const ruleFeatures: readonly Feature[] = [
  ruleFeature('nat', {
    meaning: 'Published ports are redirected to tasks, and tasks reach the outside through the address of their node.',
    remedy: nftKernel,
    family: 'ip',
    chains: [
      chain('pre', { ...nat, rule: 'tcp dport 1 dnat to 10.0.0.1:2' }),
      chain('post', {
        type: 'nat',
        hook: 'postrouting',
        priority: priorities.srcnat,
        rule: 'ip saddr 10.0.0.0/8 masquerade',
      }),
    ],
  }),
  ruleFeature('numgen map', {
    meaning: 'New connections go to the tasks of a service in turn (round robin).',
    remedy: nftKernel,
    family: 'ip',
    chains: [
      chain('pre', { ...nat, rule: 'meta mark 256 dnat to numgen inc mod 2 map { 0 : 10.0.0.1, 1 : 10.0.0.2 }' }),
    ],
  }),
  ruleFeature('fib', {
    meaning: 'Published ports answer on the addresses of the node only, not on traffic that passes through it.',
    remedy: nftKernel,
    family: 'ip',
    chains: [chain('pre', { ...nat, rule: 'fib daddr type local tcp dport 1 dnat to 10.0.0.1' })],
  }),
  ruleFeature('netdev ingress', {
    meaning: "Published services see their client's own address: tasks learn there which node a request came through.",
    remedy: kernelRemedy('nf_tables', 'CONFIG_NF_TABLES_NETDEV and CONFIG_NETFILTER_INGRESS (Linux 4.2)'),
    family: 'netdev',
    chains: [chain('in', { ...onDevice('ingress'), rule: 'meta mark set @ll,64,32' })],
  }),
  ruleFeature('netdev egress', {
    meaning:
      "Published services see their client's own address: replies leave for the node that the request came through.",
    remedy: 'Use Linux 5.16 or newer, built with CONFIG_NETFILTER_EGRESS.',
    family: 'netdev',
    chains: [chain('out', { ...onDevice('egress'), rule: 'meta mark 1 ether daddr set 02:42:00:00:00:01' })],
  }),
  ruleFeature('ct zones', {
    meaning: 'One client may use one port of a service through two nodes at the same time.',
    remedy: 'Use a kernel built with CONFIG_NF_CONNTRACK_ZONES and CONFIG_NF_CONNTRACK_MARK.',
    family: 'ip',
    chains: [
      chain('pre', { type: 'filter', hook: 'prerouting', priority: priorities.raw, rule: 'ct original zone set 7' }),
      chain('marks', {
        type: 'filter',
        hook: 'prerouting',
        priority: priorities.mangle,
        rule: 'ct mark set meta mark',
      }),
    ],
  }),
  {
    name: 'conntrack netlink',
    meaning: 'Connections of a task that is gone are forgotten at once, so that clients do not wait for a time-out.',
    remedy: kernelRemedy('nf_conntrack_netlink', 'CONFIG_NF_CT_NETLINK'),
    required: true,
    attempt({ namespace }) {
      return `listed ${listFlows(namespace, {}).length} tracked connections of a new namespace`;
    },
  },
];

/** In a tmpfs, because /tmp may be an overlay itself, which cannot be an upper layer. */
function tryOverlay(): string {
  const directory = mkdtempSync(join(tmpdir(), 'tsswarm-probe-'));
  try {
    mountTmpfs({ target: directory, size: '64k' });
    try {
      const path = (name: string) => join(directory, name);
      for (const name of ['lower', 'upper', 'work', 'target']) mkdirSync(path(name));
      mountOverlay({ lower: [path('lower')], upper: path('upper'), work: path('work'), target: path('target') });
      unmount(path('target'), { lazy: true });
    } finally {
      unmount(directory, { lazy: true });
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
  return 'mounted an overlay';
}

const bridgeNetfilter = ['bridge-nf-call-iptables', 'bridge-nf-call-ip6tables', 'bridge-nf-call-arptables'];

const systemFeatures: readonly Feature[] = [
  {
    name: 'overlayfs',
    meaning: 'Tasks share the layers of their image; each has a thin writable layer over them.',
    remedy: kernelRemedy('overlay', 'CONFIG_OVERLAY_FS'),
    required: true,
    attempt: tryOverlay,
  },
  {
    name: 'ip_forward',
    meaning: 'The node forwards between its own interfaces, its bridges and its tasks. tsswarm switches it on.',
    remedy: 'Make /proc/sys writable for the daemon, or run "sysctl -w net.ipv4.ip_forward=1".',
    required: true,
    attempt({ home }) {
      const key = 'net.ipv4.ip_forward';
      const value = readSysctl(home, key);
      if (value !== '1') accessSync(sysctlPath(key), constants.W_OK);
      return value === '1' ? `${key} is 1` : `${key} is ${value}, and can be set`;
    },
  },
  {
    name: 'bridge netfilter',
    meaning:
      'Frames between tasks of one bridge do not pass the IP firewall: tsswarm switches that off in its namespaces.',
    remedy: 'Use Linux 5.3 or newer, or unload the module br_netfilter.',
    required: true,
    attempt({ namespace }) {
      const keys = bridgeNetfilter.map((name) => `net/bridge/${name}`);
      const present = keys.filter((key) => readSysctl(namespace, key) !== undefined);
      for (const key of present) writeSysctl(namespace, key, 0);
      return present.length === 0 ? 'br_netfilter is not loaded' : 'br_netfilter is loaded and can be switched off';
    },
  },
  {
    name: 'ipvs',
    meaning:
      'IPVS balances published ports, also to the task with the fewest connections (scheduler=lc, wlc). ' +
      'nftables does it without, in turn or by client address.',
    remedy: kernelRemedy('ip_vs ip_vs_rr', 'CONFIG_IP_VS and CONFIG_IP_VS_RR'),
    required: false,
    attempt({ namespace }) {
      const { schedulers, lack } = probeIpvs(namespace);
      if (lack !== undefined) throw failedPrecondition(lack);
      return `made services by mark with the schedulers ${[...schedulers].join(', ')}`;
    },
  },
  {
    name: 'esp',
    meaning: 'Encrypted overlay networks (--opt encrypted) carry their traffic between nodes as ESP (IPsec).',
    remedy: kernelRemedy('esp4 xfrm_user gcm', 'CONFIG_INET_ESP, CONFIG_XFRM_USER and CONFIG_CRYPTO_GCM'),
    required: false,
    attempt({ namespace }) {
      tryEncryption(namespace);
      return 'made a security association with rfc4106(gcm(aes))';
    },
  },
];

/** Scope of addresses that are not of one link (RT_SCOPE_UNIVERSE). */
const UNIVERSE = 0;

const ipv6Features: readonly Feature[] = [
  {
    name: 'ipv6',
    meaning: 'Networks with --ipv6 have endpoints here, and published ports answer over IPv6 too, not over IPv4 alone.',
    remedy:
      'Take ipv6.disable=1 off the kernel command line and set net.ipv6.conf.default.disable_ipv6 to 0, then restart ' +
      'the daemon; or make no network with --ipv6.',
    required: false,
    attempt({ namespace }) {
      links(namespace, setLink({ index: LOOPBACK_INDEX }, { up: true }));
      links(namespace, newAddress({ index: LOOPBACK_INDEX, cidr: 'fd00::1/128' }));
      return 'gave an interface an address';
    },
  },
  {
    name: 'ipv6 address',
    meaning:
      'Clients reach published ports at an IPv6 address of this node. Overlays with --ipv6 work without one: between ' +
      'nodes their traffic goes by the data path address.',
    remedy: 'Give the machine a global IPv6 address if clients are to come by IPv6; nothing else needs one.',
    required: false,
    attempt({ home }) {
      const socket = new RouteSocket(home);
      try {
        const found = socket.addresses().find(({ family, scope, cidr }) => {
          return family === 6 && scope === UNIVERSE && !cidr.startsWith('::1/');
        });
        if (!found) throw failedPrecondition('no interface of this node has a global IPv6 address');
        return `this node has ${found.cidr}`;
      } finally {
        socket.close();
      }
    },
  },
];

/** What a node uses, in the order that doctor shows it. */
export const features: readonly Feature[] = [...linkFeatures, ...ruleFeatures, ...systemFeatures, ...ipv6Features];
