import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { inNetns, run, runAsync } from './run.js';
import { type BenchSwarm, cmdline, pids, residentBytes, TASK_COMMAND, taskRootfs, until } from './swarm.js';

const NODES = [1, 2, 3] as const;
const address = (node: number) => `198.51.100.${node}`;

/**
 * A real Docker Swarm (Debian's docker.io): one manager and two workers, each a dockerd with its own
 * containerd in a network namespace of its own, joined by a bridge. The namespaces have no default
 * route, so that an attempt to reach a registry fails at once instead of timing out.
 */
export class DockerSwarm implements BenchSwarm {
  readonly name = 'docker swarm';
  readonly #folder = mkdtempSync('/var/tmp/bench-docker-');
  readonly #daemons: ChildProcess[] = [];

  async up(): Promise<void> {
    this.#underlay();
    for (const node of NODES) this.#startDaemon(node);
    for (const node of NODES) {
      await until(
        () =>
          this.#get(node, '/_ping').then(
            () => true,
            () => false,
          ),
        30_000,
        `dockerd ${node}`,
      );
    }
    const image = path.join(this.#folder, 'image');
    run('sh', ['-c', taskRootfs(image)]);
    run('tar', ['-C', image, '-cf', `${image}.tar`, '.']);
    for (const node of NODES) run('docker', this.#host(node, 'import', `${image}.tar`, 'bench:1'));
    run('docker', this.#host(1, 'swarm', 'init', '--advertise-addr', address(1)));
    const token = run('docker', this.#host(1, 'swarm', 'join-token', '-q', 'worker')).trim();
    for (const node of NODES.slice(1)) {
      run(
        'docker',
        this.#host(node, 'swarm', 'join', '--advertise-addr', address(node), '--token', token, `${address(1)}:2377`),
      );
    }
  }

  async createNetwork(name: string): Promise<void> {
    run('docker', this.#host(1, 'network', 'create', '-d', 'overlay', name));
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
    for (const node of [...NODES].reverse()) {
      await runAsync('docker', this.#host(node, 'swarm', 'leave', '--force')).catch(() => undefined);
    }
    const mine = () => pids().filter((pid) => cmdline(pid).includes(`${this.#folder}/`));
    for (const daemon of this.#daemons) daemon.kill('SIGTERM');
    await until(() => mine().length === 0, 15_000, 'docker down').catch(() => {
      for (const pid of mine()) process.kill(pid, 'SIGKILL');
    });
    for (const name of ['bench-docker-sw', ...NODES.map((node) => `bench-docker${node}`)])
      run('ip', ['netns', 'del', name]);
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '');
    for (const target of mounts.filter((m) => m.startsWith(this.#folder)).reverse()) run('umount', ['-l', target]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #underlay(): void {
    const ip = (...args: string[]) => run('ip', args);
    ip('netns', 'add', 'bench-docker-sw');
    ip('-n', 'bench-docker-sw', 'link', 'add', 'br0', 'type', 'bridge');
    ip('-n', 'bench-docker-sw', 'link', 'set', 'br0', 'up');
    for (const node of NODES) {
      const netns = `bench-docker${node}`;
      ip('netns', 'add', netns);
      ip('-n', netns, 'link', 'set', 'lo', 'up');
      ip('link', 'add', 'eth0', 'netns', netns, 'type', 'veth', 'peer', 'name', `p${node}`, 'netns', 'bench-docker-sw');
      ip('-n', 'bench-docker-sw', 'link', 'set', `p${node}`, 'master', 'br0', 'up');
      ip('-n', netns, 'addr', 'add', `${address(node)}/24`, 'dev', 'eth0');
      ip('-n', netns, 'link', 'set', 'eth0', 'up');
    }
  }

  #startDaemon(node: number): void {
    const folder = path.join(this.#folder, String(node));
    mkdirSync(folder);
    const log = openSync(path.join(folder, 'log'), 'w');
    const [command, args] = inNetns(
      `bench-docker${node}`,
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
