import { run } from './run.js';

/** The network that the nodes of a comparison have in common: one namespace each, and one for a client, on a switch. */
export class Underlay {
  readonly prefix: string;
  readonly client: string;
  readonly #nodes: readonly number[];

  /** @param prefix of the namespaces' names in `ip netns` */
  constructor(prefix: string, nodes: number) {
    this.prefix = prefix;
    this.#nodes = Array.from({ length: nodes }, (_, index) => index + 1);
    this.client = `${prefix}-client`;
  }

  netns(node: number): string {
    return `${this.prefix}${node}`;
  }

  address(node: number): string {
    return `198.51.100.${node}`;
  }

  up(): void {
    const ip = (...args: string[]) => run('ip', args);
    ip('netns', 'add', this.#switch);
    ip('-n', this.#switch, 'link', 'add', 'br0', 'type', 'bridge');
    ip('-n', this.#switch, 'link', 'set', 'br0', 'up');
    for (const node of this.#nodes) this.#station(this.netns(node), `p${node}`, this.address(node));
    this.#station(this.client, 'client', this.address(100));
  }

  down(): void {
    for (const name of [this.#switch, this.client, ...this.#nodes.map((node) => this.netns(node))])
      run('ip', ['netns', 'del', name]);
  }

  get #switch(): string {
    return `${this.prefix}-sw`;
  }

  #station(netns: string, port: string, address: string): void {
    const ip = (...args: string[]) => run('ip', args);
    ip('netns', 'add', netns);
    ip('-n', netns, 'link', 'set', 'lo', 'up');
    ip('link', 'add', 'eth0', 'netns', netns, 'type', 'veth', 'peer', 'name', port, 'netns', this.#switch);
    ip('-n', this.#switch, 'link', 'set', port, 'master', 'br0', 'up');
    ip('-n', netns, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    ip('-n', netns, 'link', 'set', 'eth0', 'up');
  }
}
