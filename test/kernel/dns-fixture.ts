/** A node with sandboxes that have resolvers, and name servers outside of it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { macOf } from '../../lib/ip.js';
import type { DesiredState, Sandbox, SandboxResolver, Zone, ZoneName } from '../../netlb/state.js';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { idOf } from './plane-swarm.js';

export const NODE = '192.0.2.1';
/** Where name servers are outside of the node; the last one is to be silent. */
export const UPSTREAM = '192.0.2.53';
export const OTHER_UPSTREAM = '192.0.2.54';
export const DEAD_UPSTREAM = '192.0.2.55';
const NETWORK = idOf('front');

export const name = (text: string, addresses: readonly string[], canonical = false): ZoneName => ({
  name: text,
  addresses,
  canonical,
});

export const front: Zone = {
  id: NETWORK,
  networkName: 'front',
  names: [
    name('web', ['10.0.1.2', 'fd00:1::2']),
    name('tasks.web', ['10.0.1.11', '10.0.1.12']),
    name('web.1.abc', ['10.0.1.11'], true),
    name(
      'many',
      Array.from({ length: 200 }, (_, i) => `10.0.2.${i + 1}`),
    ),
  ],
  ports: [{ port: 'http', protocol: 'tcp', service: 'web', target: 80 }],
};

const resolver = (fields: Partial<SandboxResolver> = {}): SandboxResolver => ({
  zones: [NETWORK],
  nameservers: [],
  forward: true,
  ...fields,
});

/** @param host last byte of its address, 10.0.1.0/24 */
export function sandbox(text: string, host: number, fields: Partial<SandboxResolver> = {}): Sandbox {
  const address = `10.0.1.${host}`;
  return {
    id: idOf(text),
    endpoints: [{ networkId: NETWORK, addresses: [address], mac: macOf(address) }],
    gateway: true,
    virtualServices: [],
    ingress: undefined,
    hostPorts: [],
    resolver: resolver(fields),
  };
}

export function stateOf(sandboxes: readonly Sandbox[], zones: readonly Zone[] = [front]): DesiredState {
  return {
    underlay: { address: NODE, vxlanPort: 4789 },
    gatewayBridge: { address: '172.18.0.1/16', address6: '' },
    overlays: [{ id: NETWORK, vni: 4097, gateways: ['10.0.1.1/24'], mtu: 0, remotes: [] }],
    bridges: [],
    routed: [],
    sandboxes,
    ingress: undefined,
    zones,
  };
}

export class DnsMachines extends Machines {
  constructor() {
    super();
    this.addHost('node', `${NODE}/24`);
    this.addHost('outside', `${UPSTREAM}/24`);
    this.inside('outside', 'ip', 'address', 'add', `${OTHER_UPSTREAM}/24`, 'dev', 'eth0');
    this.setNodeServers(UPSTREAM);
  }

  get #resolvConf(): string {
    return join(this.directory, 'resolv.conf');
  }

  setNodeServers(...servers: readonly string[]): void {
    writeFileSync(this.#resolvConf, servers.map((server) => `nameserver ${server}\n`).join(''));
  }

  startNode(): Promise<Driver> {
    return this.driver('node', { nodeResolvConf: this.#resolvConf });
  }

  file(sandboxName: string): string {
    return this.sandbox('node', idOf(sandboxName));
  }

  /** Starts dnsmasq, which answers from what it is told alone. */
  async serveNames(where: string, address: string, ...options: readonly string[]): Promise<void> {
    const own = ['--no-resolv', '--no-hosts', '--conf-file=/dev/null', '--pid-file=', '--user=root'];
    this.start(where, 'dnsmasq', '--keep-in-foreground', ...own, ...options);
    await eventually(() => this.dig(where, `@${address}`, 'version.bind', 'chaos', 'txt').includes('status: NOERROR'));
  }

  /** The whole output of dig, whatever became of the question. */
  dig(where: string, ...args: readonly string[]): string {
    const options = ['+tries=1', '+timeout=6', '+noedns', '+nocookie'];
    const { stdout } = spawnSync('nsenter', [`--net=${this.path(where)}`, 'dig', ...options, ...args], {
      encoding: 'utf8',
    });
    return stdout;
  }

  /** Data of the answers that a sandbox gets, as dig prints them. */
  answers(sandboxName: string, ...args: readonly string[]): string[] {
    const text = this.dig(this.file(sandboxName), '@127.0.0.11', '+short', ...args).trim();
    return text === '' ? [] : text.split('\n');
  }

  status(sandboxName: string, ...args: readonly string[]): string | undefined {
    return /status: (\w+)/.exec(this.dig(this.file(sandboxName), '@127.0.0.11', ...args))?.[1];
  }

  threads(driver: Driver): number {
    return execFileSync('ls', [`/proc/${driver.process.pid}/task`], { encoding: 'utf8' })
      .trim()
      .split('\n').length;
  }
}
