import { copyFileSync } from 'node:fs';
import path from 'node:path';
import { Daemons } from '../../test/vm/daemons.js';
import { withPacked } from '../image.js';
import { NGINX } from '../nginx.js';
import { type MeshSystem, NODES, PUBLISHED } from './system.js';

/** Two tsswarmd on an underlay like that of Docker's. */
export class TsswarmMesh implements MeshSystem {
  readonly name: string;
  readonly #swarm: Daemons;

  constructor(balancer: 'ipvs' | 'nft') {
    this.name = `tsswarm ${balancer}`;
    this.#swarm = new Daemons('bench-ts', NODES, ['--balancer', balancer]);
  }

  get client(): string {
    return this.#swarm.underlay.client;
  }

  get paths(): MeshSystem['paths'] {
    const url = (node: number) => `http://${this.#swarm.underlay.address(node)}:${PUBLISHED}/`;
    return { local: url(2), remote: url(1) };
  }

  async up(say: (words: string) => void): Promise<void> {
    const swarm = this.#swarm;
    await swarm.up();
    // As Docker's is told.
    await swarm.tsswarm(1, 'swarm', 'update', '--dispatcher-heartbeat', '5m');
    say('swarm of two nodes');
    const archive = path.join(swarm.folder, 'image.tar');
    withPacked(NGINX.programs, NGINX.files, (packed) => copyFileSync(packed, archive));
    await swarm.tsswarm(2, 'image', 'import', archive, NGINX.image);
    say('image imported');
    const where = ['--constraint', 'node.role==worker', '--publish', `${PUBLISHED}:80`];
    await swarm.tsswarm(1, 'service', 'create', '--detach', '--name', 'web', ...where, NGINX.image, ...NGINX.command);
  }

  async explain(): Promise<string> {
    const swarm = this.#swarm;
    const nodes = await swarm.tsswarm(1, 'node', 'ls');
    return [nodes, await swarm.tsswarm(1, 'service', 'ps', '--no-trunc', 'web'), swarm.logs()].join('\n');
  }

  down(): Promise<void> {
    return this.#swarm.down();
  }
}
