import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, createReadStream, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import { codeOf } from '../../lib/errors.js';
import { newId } from '../../lib/ids.js';
import { silentLogger } from '../../lib/log.js';
import {
  ContainerConfig,
  type ContainerInfo,
  ContainerNetwork,
  ContainerSpec,
  ContainersService,
  NetworkSpec,
} from '../../proto/gen/index.js';
import { Channel, type Stubs } from '../../proto/rpc/client.js';
import { OciImageStore } from '../../worker/executor/oci/index.js';
import { removeRemains } from '../machine/remains.js';
import type { EngineProcessOptions } from './engine.js';
import { busyboxTar } from './executor-fixture.js';
import { program } from './programs.js';

export interface ContainersProcessOptions extends EngineProcessOptions {
  readonly socket: string;
}

const IMAGE = 'containers-test:busybox';
const CGROUPS = '/sys/fs/cgroup';
const POLL_MS = 20;

/** A machine for one engine: a network namespace, folders and an image. */
export class ContainersGround {
  readonly folder: string;
  readonly namespace = `ct-${newId().slice(0, 8)}`;
  readonly options: ContainersProcessOptions;
  readonly #images: OciImageStore;
  #child: ChildProcess | undefined;
  #channel: Channel | undefined;

  private constructor(folder: string, images: OciImageStore) {
    this.folder = folder;
    this.#images = images;
    this.options = {
      dataRoot: join(folder, 'data'),
      runRoot: join(folder, 'run'),
      images: join(folder, 'images'),
      cgroupParent: `/tsswarm-${this.namespace}`,
      socket: join(folder, 'socket'),
    };
  }

  static async open(): Promise<ContainersGround> {
    const folder = await mkdtemp(join(tmpdir(), 'tsswarm-containers-'));
    const images = await OciImageStore.open({ root: join(folder, 'images'), log: silentLogger });
    const archive = createReadStream(await busyboxTar(folder));
    await images.import(archive, { name: IMAGE, format: 'rootfs', changes: ['CMD ["sleep", "1000"]', 'EXPOSE 80'] });
    const ground = new ContainersGround(folder, images);
    execFileSync('ip', ['netns', 'add', ground.namespace]);
    ground.outside('ip', 'link', 'set', 'lo', 'up');
    await ground.start();
    return ground;
  }

  get rpc(): Stubs<typeof ContainersService> {
    if (!this.#channel) throw new Error('the engine does not run');
    return this.#channel.stubs(ContainersService);
  }

  async start(): Promise<void> {
    const log = openSync(join(this.folder, 'log'), 'a');
    const command = [process.execPath, program('containers-process'), JSON.stringify(this.options)];
    this.#child = spawn('nsenter', [`--net=/run/netns/${this.namespace}`, ...command], { stdio: ['ignore', log, log] });
    closeSync(log);
    await this.until('the socket', () => existsSync(this.options.socket));
    this.#channel = new Channel(`unix://${this.options.socket}`);
    await this.until('an answer', async () => (await this.list()) !== undefined);
  }

  /** Resolves when the process is gone; what it ran goes on. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#channel?.close();
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill(signal);
    await exit;
    await rm(this.options.socket, { force: true });
  }

  async close(): Promise<void> {
    try {
      await this.end('SIGTERM');
      await this.#images.close();
    } finally {
      await removeRemains(this.folder, `tsswarm-${this.namespace}`);
      execFileSync('ip', ['netns', 'del', this.namespace]);
      await rm(this.folder, { recursive: true, force: true });
    }
  }

  /** Removes all containers and networks. @throws when something of them is left */
  async clear(): Promise<void> {
    for (const { id } of (await this.list()) ?? [])
      await this.rpc.removeContainer({ ref: id, force: true, volumes: false });
    const { networks } = await this.rpc.listLocalNetworks({ filters: [{ key: 'type', values: ['custom'] }] });
    for (const { id } of networks) await this.rpc.removeLocalNetwork({ ref: id });
    await this.nothingLeft();
    expect(this.links().sort()).toEqual(['lo', 'tsswarm0']);
  }

  /** The kernel follows a removal with the next pass of the data plane. @throws with what is left */
  async nothingLeft(): Promise<void> {
    const deadline = Date.now() + 20_000;
    for (let left = this.leftovers(); left.length > 0; left = this.leftovers()) {
      if (Date.now() > deadline) throw new Error(`left over: ${left.join(', ')}`);
      await systemClock.sleep(POLL_MS);
    }
  }

  /** What a power failure does to the containers: their processes, mounts and all that is in memory are gone. */
  async restartMachine(): Promise<void> {
    const running = ((await this.list()) ?? []).flatMap(({ pid }) => (pid > 0 ? [pid] : []));
    await this.end('SIGKILL');
    // The monitors first: none of them ends by itself on the way, nor takes note of anything.
    for (const pid of [...monitorsIn(this.options.dataRoot), ...running]) process.kill(pid, 'SIGKILL');
    await this.until('their ends', () => running.every((pid) => !existsSync(`/proc/${pid}/root/bin`)));
    for (const mount of mountsIn(this.folder)) execFileSync('umount', ['-l', mount]);
    await rm(this.options.runRoot, { recursive: true, force: true });
    // The kernel takes the veth pairs away with the containers' namespaces, in its own time.
    await this.until('the end of the namespaces', () => !this.links().some((name) => name.startsWith('veth')));
    for (const name of this.links()) if (name !== 'lo') this.outside('ip', 'link', 'del', name);
    this.outside('nft', 'flush', 'ruleset');
    await this.start();
  }

  /** What is there of containers, on disk and in the kernel. */
  leftovers(): string[] {
    const inside = (path: string) => (existsSync(path) ? readdirSync(path).map((name) => join(path, name)) : []);
    const { dataRoot, runRoot, cgroupParent } = this.options;
    const controllers = existsSync(join(CGROUPS, 'cgroup.controllers')) ? [''] : readdirSync(CGROUPS);
    return [
      ...inside(join(dataRoot, 'containers')),
      ...inside(join(dataRoot, 'local/containers')),
      ...inside(join(runRoot, 'netns')),
      ...inside(join(runRoot, 'containers/exits')),
      ...controllers.map((name) => join(CGROUPS, name, cgroupParent)).filter(existsSync),
      ...this.links().filter((name) => name.startsWith('veth')),
    ];
  }

  /** Names of the links of the machine, by ip(8). */
  links(): string[] {
    const links = JSON.parse(this.outside('ip', '-j', 'link')) as { readonly ifname: string }[];
    return links.map(({ ifname }) => ifname);
  }

  async list(): Promise<readonly ContainerInfo[] | undefined> {
    try {
      return (await this.rpc.listContainers({ all: true, filters: [] })).containers;
    } catch (error) {
      if (codeOf(error) === 'UNAVAILABLE') return undefined;
      throw error;
    }
  }

  async inspect(ref: string): Promise<ContainerInfo> {
    const { container } = await this.rpc.inspectContainer({ ref });
    return container;
  }

  /** Creates and starts one. @returns its id */
  async run(
    name: string,
    args: readonly string[],
    {
      networks = [],
      ...config
    }: Partial<Omit<ContainerConfig, 'networks'>> & {
      readonly networks?: readonly (string | Partial<ContainerNetwork>)[];
    } = {},
  ): Promise<string> {
    const { id } = await this.create(name, args, { networks, ...config });
    await this.rpc.startContainer({ ref: id });
    return id;
  }

  create(
    name: string,
    args: readonly string[],
    {
      networks = [],
      ...config
    }: Partial<Omit<ContainerConfig, 'networks'>> & {
      readonly networks?: readonly (string | Partial<ContainerNetwork>)[];
    } = {},
  ) {
    return this.rpc.createContainer({
      config: ContainerConfig.create({
        name,
        container: ContainerSpec.create({ image: IMAGE, args, stopGracePeriod: 2e9 }),
        networks: networks.map((item) => ContainerNetwork.create(typeof item === 'string' ? { network: item } : item)),
        ...config,
      }),
    });
  }

  async network(name: string, fields: Partial<NetworkSpec> = {}) {
    const spec = NetworkSpec.create({ name, driver: 'bridge', ...fields });
    return (await this.rpc.createLocalNetwork({ spec })).network;
  }

  /** A standard tool in the machine's namespace. */
  outside(...command: string[]): string {
    return execFileSync('nsenter', [`--net=/run/netns/${this.namespace}`, ...command], { encoding: 'utf8' });
  }

  /** A standard tool in a container's network namespace. */
  inside(id: string, ...command: string[]): string {
    const file = join(this.options.runRoot, 'netns', id.slice(0, 12));
    return execFileSync('nsenter', [`--net=${file}`, ...command], { encoding: 'utf8' });
  }

  /** The addresses of a container's interfaces, by ip(8): `eth0 172.17.0.2/16`. */
  addresses(id: string): string[] {
    const links = JSON.parse(this.inside(id, 'ip', '-4', '-j', 'addr')) as {
      readonly ifname: string;
      readonly addr_info: readonly { readonly local: string; readonly prefixlen: number }[];
    }[];
    return links
      .filter(({ ifname }) => ifname !== 'lo')
      .flatMap(({ ifname, addr_info }) => addr_info.map(({ local, prefixlen }) => `${ifname} ${local}/${prefixlen}`));
  }

  /** @throws with the engine's log after `ms` */
  async until(what: string, condition: () => boolean | Promise<boolean>, ms = 20_000): Promise<void> {
    const deadline = Date.now() + ms;
    while (!(await condition())) {
      if (Date.now() > deadline) {
        const log = await readFile(join(this.folder, 'log'), 'utf8');
        throw new Error(`${what} did not come in ${ms / 1000} s:\n${log.slice(-4000)}`);
      }
      await systemClock.sleep(POLL_MS);
    }
  }
}

/** The innermost first. */
function mountsIn(folder: string): string[] {
  const mounts = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  return mounts.filter((path) => path.startsWith(folder)).reverse();
}

/** Process ids of conmon for containers in a folder. */
function monitorsIn(dataRoot: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return commandOf(pid).startsWith('conmon\0') && commandOf(pid).includes(dataRoot);
      } catch {
        return false;
      }
    })
    .map(Number);
}

const commandOf = (pid: string): string => readFileSync(`/proc/${pid}/cmdline`, 'utf8');
