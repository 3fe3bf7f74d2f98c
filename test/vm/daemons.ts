import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inNetns } from '../../bench/run.js';
import { until } from '../../bench/swarm.js';
import { Underlay } from '../../bench/underlay.js';
import { packageRoot } from '../../lib/package.js';
import { runInProcess } from '../command-line.js';
import { removeRemains } from '../machine/remains.js';

/** Milliseconds for a daemon to start or to end: with an emulated processor all takes some 25 times longer, and more beside other work. */
const PATIENCE = 600_000;
const LOG_LINES = 15;

/** A swarm of tsswarmd, each in a namespace of its own. Not a whole lab, whose deadlines are for a real processor. */
export class Daemons {
  readonly underlay: Underlay;
  /** Files that are to go with the swarm can be put there. */
  readonly folder: string;
  readonly #nodes: readonly number[];
  readonly #flags: readonly string[];
  readonly #processes: ChildProcess[] = [];

  /**
   * @param name of a lab that nobody else has
   * @param flags that all daemons are started with
   */
  constructor(name: string, nodes: number, flags: readonly string[] = []) {
    this.underlay = new Underlay(name, nodes);
    this.folder = mkdtempSync(path.join(tmpdir(), `tsswarm-${name}-`));
    this.#nodes = Array.from({ length: nodes }, (_, index) => index + 1);
    this.#flags = flags;
  }

  /** The first node is the manager, the others are workers. */
  async up(): Promise<void> {
    await this.underlay.up();
    for (const node of this.#nodes) this.#start(node);
    for (const node of this.#nodes) await until(() => existsSync(this.#socketOf(node)), PATIENCE, `tsswarmd ${node}`);
    await this.tsswarm(1, 'init', '--advertise-addr', this.underlay.address(1));
    const token = (await this.tsswarm(1, 'join-token', '--quiet', 'worker')).trim();
    for (const node of this.#nodes.slice(1)) {
      const place = ['--advertise-addr', this.underlay.address(node), '--token', token];
      await this.tsswarm(node, 'join', ...place, `${this.underlay.address(1)}:2377`);
    }
  }

  /** What a command line prints, in this process: to start another one takes longer than what it does. @throws when it fails */
  async tsswarm(node: number, ...args: string[]): Promise<string> {
    const outcome = await runInProcess(args, { TSSWARM_HOST: `unix://${this.#socketOf(node)}` });
    if (outcome.code !== 0) throw new Error(`tsswarm ${args.join(' ')}: ${outcome.stderr}`);
    return outcome.stdout;
  }

  /** File of the network namespace of a task on a node. */
  sandbox(node: number, task: string): string {
    return path.join(this.#folderOf(node), 'run/netns', task);
  }

  /** The last that each daemon logged. */
  logs(): string {
    const last = (node: number) => readFileSync(this.#logOf(node), 'utf8').trimEnd().split('\n').slice(-LOG_LINES);
    return this.#nodes.flatMap(last).join('\n');
  }

  /** Also when it is half up: its daemons and its tasks are ended. */
  async down(): Promise<void> {
    for (const daemon of this.#processes) daemon.kill('SIGTERM');
    const ended = () => this.#processes.every(({ exitCode, signalCode }) => exitCode !== null || signalCode !== null);
    await until(ended, PATIENCE, 'the end of tsswarmd');
    for (const node of this.#nodes) await removeRemains(this.#folderOf(node), this.#cgroupOf(node));
    await this.underlay.down();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #start(node: number): void {
    const folder = this.#folderOf(node);
    mkdirSync(folder);
    const log = openSync(this.#logOf(node), 'w');
    const [command, args] = inNetns(
      this.underlay.netns(node),
      path.join(packageRoot(), 'bin/tsswarmd'),
      ...['--data-root', path.join(folder, 'data'), '--run-root', path.join(folder, 'run')],
      ...['--image-root', path.join(this.folder, 'images'), '--cgroup-parent', `/${this.#cgroupOf(node)}`],
      ...['--hostname', `node${node}`, ...this.#flags],
    );
    this.#processes.push(spawn(command, args, { stdio: ['ignore', log, log] }));
  }

  #folderOf(node: number): string {
    return path.join(this.folder, String(node));
  }

  #logOf(node: number): string {
    return path.join(this.#folderOf(node), 'log');
  }

  #socketOf(node: number): string {
    return path.join(this.#folderOf(node), 'run/tsswarm.sock');
  }

  #cgroupOf(node: number): string {
    return path.basename(this.folder) + node;
  }
}
