import { readFileSync, writeFileSync } from 'node:fs';
import { DockerSwarm } from '../docker-swarm.js';
import { withPacked } from '../image.js';
import { NGINX } from '../nginx.js';
import { type MeshSystem, NODES, PATIENCE, PUBLISHED } from './system.js';

/**
 * Of the machine's first namespace, which others begin with. Docker sees to its own namespace, which is the first one
 * as a rule; `ingress_sbox` has what the first one has, and drops all answers of tasks where that is 0.
 */
const FORWARDING = '/proc/sys/net/ipv4/ip_forward';

export class DockerMesh implements MeshSystem {
  readonly name = 'docker';
  readonly #swarm = new DockerSwarm({ nodes: NODES, patience: PATIENCE, emulated: true });

  /** As it was before. */
  readonly #forwarding = readFileSync(FORWARDING, 'utf8');

  get client(): string {
    return this.#swarm.underlay.client;
  }

  get paths(): MeshSystem['paths'] {
    const { underlay } = this.#swarm;
    const url = (node: number) => `http://${underlay.address(node)}:${PUBLISHED}/`;
    return { local: url(2), remote: url(1) };
  }

  async up(say: (words: string) => void): Promise<void> {
    writeFileSync(FORWARDING, '1');
    await this.#swarm.up();
    say('swarm of two nodes');
    withPacked(NGINX.programs, NGINX.files, (archive) => this.#swarm.importImage(2, archive, NGINX.image));
    say('image imported');
    const where = ['--constraint', 'node.role==worker', '--publish', `${PUBLISHED}:80`];
    const how = ['--detach', '--no-resolve-image', '--name', 'web'];
    this.#swarm.docker(1, 'service', 'create', ...how, ...where, NGINX.image, ...NGINX.command);
  }

  async explain(): Promise<string> {
    const swarm = this.#swarm;
    const words = [swarm.docker(1, 'node', 'ls'), swarm.docker(1, 'service', 'ps', '--no-trunc', 'web')];
    return [...words, swarm.meshState(1), swarm.meshState(2), swarm.logs()].join('\n');
  }

  async down(): Promise<void> {
    await this.#swarm.down();
    writeFileSync(FORWARDING, this.#forwarding);
  }
}
