import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { inNetns, run, runAsync } from './run.js';
import { type BenchSwarm, cmdline, pids, residentBytes, TASK_COMMAND, taskRootfs, until } from './swarm.js';
import { Underlay } from './underlay.js';

/** Milliseconds for a daemon to answer. */
const PATIENCE = 30_000;

export interface DockerSwarmOptions {
  readonly nodes?: number;
  /** Milliseconds for a daemon to answer. */
  readonly patience?: number;
  /**
   * For an emulated processor, where each start of dockerd's helpers for namespaces takes seconds. One containerd for
   * all nodes, started first: a dockerd gives its own 15 seconds to start, which is too little, and then ends. Nothing
   * that only others use: no bridge, no process for each published port, no image of `createService`'s tasks. Sessions
   * with the manager may be silent for minutes: a worker whose session ends would begin its task anew.
   */
  readonly emulated?: boolean;
}

/**
 * A real Docker Swarm (Debian's docker.io): one manager and workers, each a dockerd with its own
 * containerd in a network namespace of its own, joined by a bridge. The namespaces have no default
 * route, so that an attempt to reach a registry fails at once instead of timing out.
 */
export class DockerSwarm implements BenchSwarm {
  readonly name = 'docker swarm';
  readonly #folder = mkdtempSync('/var/tmp/bench-docker-');
  readonly #daemons: ChildProcess[] = [];
  readonly #nodes: readonly number[];
  readonly #patience: number;
  readonly #isEmulated: boolean;
  readonly underlay: Underlay;

  constructor({ nodes = 3, patience = PATIENCE, emulated = false }: DockerSwarmOptions = {}) {
    this.#nodes = Array.from({ length: nodes }, (_, index) => index + 1);
    this.#patience = patience;
    this.#isEmulated = emulated;
    this.underlay = new Underlay('bench-docker', nodes);
  }

  async up(): Promise<void> {
    await this.underlay.up();
    if (this.#isEmulated) await this.#startContainerd();
    for (const node of this.#nodes) this.#startDaemon(node);
    for (const node of this.#nodes) {
      await until(
        () =>
          this.#get(node, '/_ping').then(
            () => true,
            () => false,
          ),
        this.#patience,
        `dockerd ${node}`,
      );
    }
    if (!this.#isEmulated) this.#importTaskImage();
    const { underlay } = this;
    const silence = this.#isEmulated ? ['--dispatcher-heartbeat', '5m'] : [];
    this.docker(1, 'swarm', 'init', '--advertise-addr', underlay.address(1), ...silence);
    const token = this.docker(1, 'swarm', 'join-token', '-q', 'worker').trim();
    for (const node of this.#nodes.slice(1)) {
      const place = ['--advertise-addr', underlay.address(node), '--token', token, `${underlay.address(1)}:2377`];
      this.docker(node, 'swarm', 'join', ...place);
    }
  }

  /** Output of docker's command line, as a node's daemon answers it. */
  docker(node: number, ...args: string[]): string {
    return run('docker', this.#host(node, ...args));
  }

  importImage(node: number, archive: string, name: string): void {
    this.docker(node, 'import', archive, name);
  }

  /** What the kernel has of a node's routing mesh: the way from a published port to `ingress_sbox`, and on from there. */
  meshState(node: number): string {
    const sandbox = `--net=${this.#folder}/${node}/exec/netns/ingress_sbox`;
    const looks = [
      ...[inNetns(this.underlay.netns(node), 'iptables', '-t', 'nat', '-S')],
      ...[inNetns(this.underlay.netns(node), 'iptables', '-S', 'FORWARD')],
      ...['-t mangle -S', '-t nat -S'].map((what) => ['nsenter', [sandbox, 'iptables', ...what.split(' ')]] as const),
      ...[['nsenter', [sandbox, 'ipvsadm', '-Ln', '--stats']] as const],
    ];
    // It may be half made: what cannot be shown says why.
    return looks.map(([program, args]) => said(program, args)).join('\n');
  }

  /** The last that the daemons logged. */
  logs(): string {
    return this.#nodes
      .map((node) => run('tail', ['-n', '15', path.join(this.#folder, String(node), 'log')]))
      .join('\n');
  }

  async createNetwork(name: string): Promise<void> {
    this.docker(1, 'network', 'create', '-d', 'overlay', name);
  }

  async createService(name: string, replicas: number, network: string): Promise<void> {
    await runAsync(
      'docker',
      this.#host(
        1,
        'service',
        'create',
        '--detach',
        '--no-resolve-image',
        '--name',
        name,
        '--replicas',
        String(replicas),
        '--network',
        network,
        '--stop-grace-period',
        '1s',
        'bench:1',
        ...TASK_COMMAND,
      ),
    );
  }

  async scale(name: string, replicas: number): Promise<void> {
    await runAsync('docker', this.#host(1, 'service', 'scale', '--detach', `${name}=${replicas}`));
  }

  async running(name: string): Promise<number> {
    const filters = encodeURIComponent(
      JSON.stringify({ service: { [name]: true }, 'desired-state': { running: true } }),
    );
    const answer = await this.#get(1, `/tasks?filters=${filters}`).catch((error: Error) => {
      if (error.message.includes('not found')) return '[]'; // the service is still being created
      throw error;
    });
    const tasks = JSON.parse(answer) as { Status: { State: string } }[];
    return tasks.filter((task) => task.Status.State === 'running').length;
  }

  async removeService(name: string): Promise<void> {
    await runAsync('docker', this.#host(1, 'service', 'rm', name));
  }

  nodeMemory(node: number): number {
    const mine = path.join(this.#folder, String(node));
    return pids()
      .filter((pid) => cmdline(pid).includes(`${mine}/`))
      .reduce((sum, pid) => sum + residentBytes(pid), 0);
  }

  async down(): Promise<void> {
    for (const node of [...this.#nodes].reverse()) {
      await runAsync('docker', this.#host(node, 'swarm', 'leave', '--force')).catch(() => undefined);
    }
    const mine = () => pids().filter((pid) => cmdline(pid).includes(`${this.#folder}/`));
    for (const daemon of this.#daemons) daemon.kill('SIGTERM');
    await until(() => mine().length === 0, 15_000, 'docker down').catch(() => {
      for (const pid of mine()) process.kill(pid, 'SIGKILL');
    });
    await this.underlay.down();
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '');
    for (const target of mounts.filter((m) => m.startsWith(this.#folder)).reverse()) run('umount', ['-l', target]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Gives every node the image of the tasks of `createService`. */
  #importTaskImage(): void {
    const image = path.join(this.#folder, 'image');
    run('sh', ['-c', taskRootfs(image)]);
    run('tar', ['-C', image, '-cf', `${image}.tar`, '.']);
    for (const node of this.#nodes) this.importImage(node, `${image}.tar`, 'bench:1');
  }

  async #startContainerd(): Promise<void> {
    const folder = path.join(this.#folder, 'containerd');
    mkdirSync(folder);
    writeFileSync(`${folder}/config.toml`, containerdConfiguration(folder));
    const log = openSync(`${folder}/log`, 'w');
    this.#daemons.push(spawn('containerd', ['--config', `${folder}/config.toml`], { stdio: ['ignore', log, log] }));
    await until(() => existsSync(`${folder}/sock`), this.#patience, 'containerd');
  }

  #startDaemon(node: number): void {
    const folder = path.join(this.#folder, String(node));
    mkdirSync(folder);
    const log = openSync(path.join(folder, 'log'), 'w');
    const [command, args] = inNetns(
      this.underlay.netns(node),
      'dockerd',
      '--data-root',
      `${folder}/data`,
      '--exec-root',
      `${folder}/exec`,
      '--pidfile',
      `${folder}/pid`,
      '--host',
      `unix://${folder}/sock`,
      '--log-level',
      'warn',
      ...(this.#isEmulated ? ['--bridge', 'none', '--userland-proxy=false'] : []),
      ...(this.#isEmulated ? containerdFlags(`${this.#folder}/containerd/sock`, node) : []),
    );
    this.#daemons.push(spawn(command, args, { stdio: ['ignore', log, log] }));
  }

  #host(node: number, ...args: string[]): string[] {
    return ['--host', `unix://${this.#folder}/${node}/sock`, ...args];
  }

  #get(node: number, url: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const request = http.get({ socketPath: `${this.#folder}/${node}/sock`, path: url }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (data) => {
          body += data;
        });
        response.on('end', () => (response.statusCode === 200 ? resolve(body) : reject(new Error(`${url}: ${body}`))));
      });
      request.on('error', reject);
    });
  }
}

function said(program: string, args: readonly string[]): string {
  try {
    return run(program, args);
  } catch (error) {
    return String(error);
  }
}

/** Without the parts that dockerd does not use. */
const containerdConfiguration = (folder: string): string => `version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs",
  "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
address = "${folder}/sock"
`;

const containerdFlags = (socket: string, node: number): string[] => [
  ...['--containerd', socket, '--containerd-namespace', `node${node}`],
  ...['--containerd-plugins-namespace', `plugins${node}`],
];
