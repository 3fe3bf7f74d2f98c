import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import path from 'node:path';
import { processIo } from '../../cli/io.js';
import { run as runCommand } from '../../cli/run.js';
import { removeRemains } from '../../test/machine/remains.js';
import { withPacked } from '../image.js';
import { NGINX } from '../nginx.js';
import { inNetns, root } from '../run.js';
import { until } from '../swarm.js';
import { Underlay } from '../underlay.js';
import { type MeshSystem, NODES, PATIENCE, PUBLISHED } from './system.js';

const terminal = processIo();

/** Two tsswarmd on an underlay like that of Docker's. Not a whole lab, whose deadlines are for a real processor. */
export class TsswarmMesh implements MeshSystem {
  readonly name: string;
  readonly #balancer: string;
  readonly #underlay = new Underlay('bench-ts', NODES);
  readonly #folder = mkdtempSync('/var/tmp/bench-tsswarm-');
  readonly #daemons: ChildProcess[] = [];

  constructor(balancer: 'ipvs' | 'nft') {
    this.#balancer = balancer;
    this.name = `tsswarm ${balancer}`;
  }

  get client(): string {
    return this.#underlay.client;
  }

  get paths(): MeshSystem['paths'] {
    const url = (node: number) => `http://${this.#underlay.address(node)}:${PUBLISHED}/`;
    return { local: url(2), remote: url(1) };
  }

  async up(say: (words: string) => void): Promise<void> {
    await this.#underlay.up();
    for (let node = 1; node <= NODES; node++) this.#startDaemon(node);
    for (let node = 1; node <= NODES; node++) {
      await until(() => existsSync(this.#socketOf(node)), PATIENCE, `tsswarmd ${node}`);
    }
    say('two daemons');
    await this.#tsswarm(1, 'init', '--advertise-addr', this.#underlay.address(1));
    const token = (await this.#tsswarm(1, 'join-token', '--quiet', 'worker')).trim();
    const place = ['--advertise-addr', this.#underlay.address(2), '--token', token];
    await this.#tsswarm(2, 'join', ...place, `${this.#underlay.address(1)}:2377`);
    say('swarm of two nodes');
    const archive = path.join(this.#folder, 'image.tar');
    withPacked(NGINX.programs, NGINX.files, (packed) => copyFileSync(packed, archive));
    await this.#tsswarm(2, 'image', 'import', archive, NGINX.image);
    say('image imported');
    const where = ['--constraint', 'node.role==worker', '--publish', `${PUBLISHED}:80`];
    await this.#tsswarm(1, 'service', 'create', '--detach', '--name', 'web', ...where, NGINX.image, ...NGINX.command);
  }

  async explain(): Promise<string> {
    return `${await this.#tsswarm(1, 'node', 'ls')}\n${await this.#tsswarm(1, 'service', 'ps', '--no-trunc', 'web')}`;
  }

  async down(): Promise<void> {
    for (const daemon of this.#daemons) daemon.kill('SIGTERM');
    const ended = () => this.#daemons.every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
    await until(ended, PATIENCE, 'the end of tsswarmd');
    for (let node = 1; node <= NODES; node++) await removeRemains(this.#folderOf(node), this.#cgroupOf(node));
    await this.#underlay.down();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #startDaemon(node: number): void {
    const folder = this.#folderOf(node);
    mkdirSync(folder);
    const log = openSync(path.join(folder, 'log'), 'w');
    const [command, args] = inNetns(
      this.#underlay.netns(node),
      path.join(root, 'bin/tsswarmd'),
      ...['--data-root', path.join(folder, 'data'), '--run-root', path.join(folder, 'run')],
      ...['--image-root', path.join(this.#folder, 'images'), '--cgroup-parent', `/${this.#cgroupOf(node)}`],
      ...['--hostname', `node${node}`, '--balancer', this.#balancer],
    );
    this.#daemons.push(spawn(command, args, { stdio: ['ignore', log, log] }));
  }

  #folderOf(node: number): string {
    return path.join(this.#folder, String(node));
  }

  #cgroupOf(node: number): string {
    return `tsswarm-bench-${node}`;
  }

  #socketOf(node: number): string {
    return path.join(this.#folderOf(node), 'run/tsswarm.sock');
  }

  /** A command line, in this process: to start another one takes longer than what it does. */
  async #tsswarm(node: number, ...args: string[]): Promise<string> {
    const said = { out: '', err: '' };
    const keep = (where: keyof typeof said) => (text: string | Uint8Array) => {
      said[where] += text.toString();
    };
    const io = { ...terminal, out: keep('out'), err: keep('err') };
    const status = await runCommand(['-H', `unix://${this.#socketOf(node)}`, ...args], io);
    if (status !== 0) throw new Error(`tsswarm ${args.join(' ')}: ${said.err}`);
    return said.out;
  }
}
