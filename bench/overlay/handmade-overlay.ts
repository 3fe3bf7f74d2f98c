import { run } from '../run.js';
import type { PathEnds } from './path-ends.js';

const PREFIX = 'bench-hand';
const NODES = [1, 2] as const;
const VNI = '77';

/** What an overlay between two machines is at its least, made with the classic tools. */
export class HandmadeOverlay {
  readonly #namespaces = ['sw', ...NODES.flatMap((node) => [`n${node}`, `o${node}`, `t${node}`])].map(
    (name) => `${PREFIX}-${name}`,
  );

  up(): void {
    for (const name of this.#namespaces) run('ip', ['netns', 'add', name]);
    this.#ip('sw', 'link', 'add', 'br0', 'type', 'bridge');
    this.#ip('sw', 'link', 'set', 'br0', 'up');
    for (const node of NODES) this.#node(node);
    for (const [node, peer] of [
      [1, 2],
      [2, 1],
    ] as const) {
      this.#in(`o${node}`, 'bridge', 'fdb', 'add', mac(peer), 'dev', 'vx0', 'dst', underlay(peer), 'self', 'permanent');
      this.#ip(`o${node}`, 'neigh', 'add', inner(peer), 'lladdr', mac(peer), 'dev', 'vx0', 'nud', 'permanent');
    }
  }

  ends(): PathEnds {
    return { server: `/run/netns/${PREFIX}-t1`, client: `/run/netns/${PREFIX}-t2`, address: inner(1) };
  }

  down(): void {
    const existing = run('ip', ['netns'])
      .split('\n')
      .map((line) => line.split(' ')[0]);
    for (const name of this.#namespaces.filter((n) => existing.includes(n))) run('ip', ['netns', 'del', name]);
  }

  #node(node: number): void {
    const ns = (name: string) => `${PREFIX}-${name}${node}`;
    run('ip', [
      'link',
      'add',
      'eth0',
      'netns',
      ns('n'),
      'type',
      'veth',
      'peer',
      'name',
      `p${node}`,
      'netns',
      `${PREFIX}-sw`,
    ]);
    this.#ip('sw', 'link', 'set', `p${node}`, 'master', 'br0', 'up');
    this.#ip(`n${node}`, 'addr', 'add', `${underlay(node)}/24`, 'dev', 'eth0');
    this.#ip(`n${node}`, 'link', 'set', 'eth0', 'up');
    this.#ip(
      `n${node}`,
      'link',
      'add',
      'vx0',
      'type',
      'vxlan',
      'id',
      VNI,
      'dstport',
      '4789',
      'local',
      underlay(node),
      'nolearning',
      'proxy',
    );
    this.#ip(`n${node}`, 'link', 'set', 'vx0', 'netns', ns('o'));
    this.#ip(`o${node}`, 'link', 'add', 'br0', 'mtu', '1450', 'type', 'bridge');
    this.#ip(`o${node}`, 'link', 'set', 'br0', 'up');
    this.#ip(`o${node}`, 'link', 'set', 'vx0', 'mtu', '1450', 'master', 'br0', 'up');
    run('ip', [
      'link',
      'add',
      'eth0',
      'netns',
      ns('t'),
      'address',
      mac(node),
      'mtu',
      '1450',
      'type',
      'veth',
      'peer',
      'name',
      'v0',
      'netns',
      ns('o'),
      'mtu',
      '1450',
    ]);
    this.#ip(`o${node}`, 'link', 'set', 'v0', 'master', 'br0', 'up');
    this.#ip(`t${node}`, 'addr', 'add', `${inner(node)}/24`, 'dev', 'eth0');
    this.#ip(`t${node}`, 'link', 'set', 'eth0', 'up');
  }

  #ip(name: string, ...args: string[]): void {
    run('ip', ['-n', `${PREFIX}-${name}`, ...args]);
  }

  #in(name: string, ...command: string[]): void {
    run('ip', ['netns', 'exec', `${PREFIX}-${name}`, ...command]);
  }
}

const underlay = (node: number) => `198.51.100.${node}`;
const inner = (node: number) => `10.77.0.${node}`;
const mac = (node: number) => `02:42:0a:4d:00:0${node}`;
