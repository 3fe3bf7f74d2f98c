/** Desired states of networks alone, of either family, and what goes over the wire between nodes. */
import { spawn } from 'node:child_process';
import { macOf } from '../../lib/ip.js';
import type { DesiredState, VirtualService } from '../../netlb/state.js';
import { eventually, type Machines } from './plane-fixture.js';
import { idOf, nodeAddress } from './plane-swarm.js';

export interface Net {
  readonly name: string;
  readonly vni: number;
  /** CIDRs. */
  readonly gateways: readonly string[];
  readonly mtu?: number;
}

export interface Member {
  readonly name: string;
  readonly node: number;
  readonly net: Net;
  readonly addresses: readonly [string, ...string[]];
  /** False: on internal networks only. */
  readonly gateway?: boolean;
}

export interface StateOptions {
  /** Of VXLAN. */
  readonly port?: number;
  readonly gateway?: string;
  readonly services?: ReadonlyMap<Net, readonly VirtualService[]>;
}

/** What a node is asked for that has these members of networks, the others being elsewhere. */
export function stateOf(node: number, members: readonly Member[], options: StateOptions = {}): DesiredState {
  const local = members.filter((member) => member.node === node);
  const nets = [...new Set(local.map(({ net }) => net))];
  return {
    underlay: { address: nodeAddress(node), vxlanPort: options.port ?? 4789 },
    gatewayBridge: { address: options.gateway ?? '172.18.0.1/16', address6: 'fd00:7473::1/64' },
    overlays: nets.map((net) => ({
      id: idOf(net.name),
      vni: net.vni,
      gateways: net.gateways,
      mtu: net.mtu ?? 0,
      remotes: members
        .filter((member) => member.net === net && member.node !== node)
        .flatMap(({ addresses, node: at }) =>
          addresses.map((address) => ({ address, mac: macOf(addresses[0]), vtep: nodeAddress(at) })),
        ),
    })),
    bridges: [],
    routed: [],
    zones: [],
    sandboxes: local.map(({ name, net, addresses, gateway = true }) => ({
      id: idOf(name),
      endpoints: [{ networkId: idOf(net.name), addresses, mac: macOf(addresses[0]) }],
      gateway,
      virtualServices: options.services?.get(net) ?? [],
      ingress: undefined,
      hostPorts: [],
      resolver: undefined,
    })),
    ingress: undefined,
  };
}

/**
 * What tcpdump shows of a namespace's eth0 while something goes on, in text with Ethernet headers.
 * @param last what comes at the end of it
 */
export async function capture(
  machines: Machines,
  where: string,
  filter: readonly string[],
  action: () => void,
  last: RegExp,
): Promise<string> {
  const options = ['-lnei', 'eth0', '--immediate-mode', ...filter];
  const tcpdump = spawn('nsenter', [`--net=${machines.path(where)}`, 'tcpdump', ...options], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  try {
    let seen = '';
    tcpdump.stdout.setEncoding('utf8').on('data', (text: string) => {
      seen += text;
    });
    let words = '';
    tcpdump.stderr.setEncoding('utf8').on('data', (text: string) => {
      words += text;
    });
    await eventually(() => words.includes('listening on'));
    action();
    await eventually(() => {
      if (!last.test(seen)) throw new Error(`${last} is not in:\n${seen}${words}`);
      return true;
    });
    return seen;
  } finally {
    tcpdump.kill('SIGKILL');
  }
}
