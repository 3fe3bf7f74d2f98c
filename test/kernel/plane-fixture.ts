/** Nodes on one machine: a switch, a client, and one namespace per node with a NetworkPlane process in it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { errnoOf } from '../../lib/errors.js';
import type { PortStatistics } from '../../netlb/balancer/statistics.js';
import { removeNamespace } from '../../netlb/kernel/namespace.js';
import type { PlaneFigures } from '../../netlb/plane.js';
import type { ApplyProblem, ApplyReport, DesiredState, Repair } from '../../netlb/state.js';
import { PACE } from './pace.js';
import type { DriverRequest } from './plane-driver.js';
import { LastingPeer } from './plane-lasting-peer.js';
import { program } from './programs.js';

export interface TimedReport extends ApplyReport {
  readonly milliseconds: number;
}

/** A node's NetworkPlane process. */
export class Driver {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #errors = '';

  private constructor(child: ChildProcess) {
    this.process = child;
    if (!child.stdout) throw new TypeError('no standard output');
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stderr?.on('data', (data: Buffer) => {
      this.#errors += data.toString();
      if (process.env.PLANE_LOG) process.stderr.write(data);
    });
  }

  /** @param wrapper a command that runs the process, as strace does */
  static async start(
    namespace: string,
    runRoot: string,
    options: object,
    wrapper: readonly string[] = [],
  ): Promise<Driver> {
    const node = [process.execPath, program('plane-driver'), runRoot, JSON.stringify(options)];
    const args = [`--net=${namespace}`, ...wrapper, ...node];
    const driver = new Driver(spawn('nsenter', args, { stdio: ['pipe', 'pipe', 'pipe'] }));
    await driver.#answer();
    return driver;
  }

  apply(desired: DesiredState): Promise<TimedReport> {
    const keys = desired.encryption?.keys.map(({ time, secret }) => ({
      time,
      hex: Buffer.from(secret.reveal()).toString('hex'),
    }));
    return this.#ask<TimedReport>({ apply: desired, ...(keys ? { keys } : {}) });
  }

  async watch(): Promise<void> {
    await this.#ask({ watch: true });
  }

  statistics(): Promise<PortStatistics[]> {
    return this.#ask<PortStatistics[]>({ statistics: true });
  }

  /** Since it was opened. */
  figures(): Promise<PlaneFigures> {
    return this.#ask<PlaneFigures>({ figures: true });
  }

  /** Looks for drift now, and puts it right. */
  repair(): Promise<{ readonly repairs: readonly Repair[]; readonly problems: readonly ApplyProblem[] }> {
    return this.#ask({ repair: true });
  }

  async destroy(): Promise<void> {
    await this.#ask({ destroy: true });
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    this.process.kill('SIGKILL');
    await once(this.process, 'exit');
  }

  #ask<T>(request: DriverRequest): Promise<T> {
    this.process.stdin?.write(`${JSON.stringify(request)}\n`);
    return this.#answer<T>();
  }

  async #answer<T>(): Promise<T> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`the plane's process ended: ${this.#errors}`);
    return JSON.parse(value) as T;
  }
}

/**
 * Runs programs inside namespaces named by `ip netns`, and takes everything away at the end. Nothing is made before the
 * first of them: a file whose tests are only listed, or left out, leaves nothing.
 */
export class Machines {
  readonly directory = join(tmpdir(), `tsswarm-plane-${randomUUID()}`);
  readonly #prefix = `tsp${process.pid}`;
  readonly #names: string[] = [];
  readonly #children = new Set<ChildProcess>();
  readonly #drivers = new Set<Driver>();
  /** By inode of their namespace. */
  readonly #peers = new Map<number, LastingPeer>();

  path(name: string): string {
    return name.startsWith('/') ? name : `/run/netns/${this.#prefix}-${name}`;
  }

  runRoot(name: string): string {
    return join(this.directory, name);
  }

  /** The file of a sandbox, overlay or ingress namespace on a node. */
  sandbox(node: string, name: string): string {
    return join(this.runRoot(node), 'netns', name);
  }

  add(name: string): void {
    if (this.#names.length === 0) {
      mkdirSync(this.directory, { mode: 0o700 });
      this.#addNamespace('switch');
      this.inside('switch', 'ip', 'link', 'add', 'br0', 'type', 'bridge');
      this.inside('switch', 'ip', 'link', 'set', 'br0', 'up');
    }
    this.#addNamespace(name);
  }

  #addNamespace(name: string): void {
    execFileSync('ip', ['netns', 'add', `${this.#prefix}-${name}`]);
    this.#names.push(name);
    this.inside(name, 'ip', 'link', 'set', 'lo', 'up');
  }

  /** A namespace on the switch. */
  addHost(name: string, cidr: string, mtu = 1500): void {
    this.add(name);
    const peer = ['peer', 'name', 'eth0', 'mtu', String(mtu), 'netns', `${this.#prefix}-${name}`];
    this.inside('switch', 'ip', 'link', 'add', name, 'mtu', String(mtu), 'type', 'veth', ...peer);
    this.inside('switch', 'ip', 'link', 'set', name, 'master', 'br0', 'up');
    this.inside(name, 'ip', 'address', 'add', cidr, 'dev', 'eth0');
    this.inside(name, 'ip', 'link', 'set', 'eth0', 'up');
  }

  /** Of a namespace on the switch: an IPv6 address that can be used at once. */
  addAddress6(name: string, address: string): void {
    this.inside(name, 'ip', 'address', 'add', `${address}/64`, 'dev', 'eth0', 'nodad');
  }

  async driver(node: string, options: object = {}, wrapper: readonly string[] = []): Promise<Driver> {
    const driver = await Driver.start(this.path(node), this.runRoot(node), options, wrapper);
    this.#drivers.add(driver);
    return driver;
  }

  /** @param where name of a namespace made here, or a namespace's file */
  inside(where: string, ...command: string[]): string {
    const [name = '', ...args] = command;
    return execFileSync('nsenter', [`--net=${this.path(where)}`, name, ...args], { encoding: 'utf8', stdio: 'pipe' });
  }

  json<T = Record<string, unknown>>(where: string, command: string, ...args: string[]): T[] {
    const text = this.inside(where, command, '-j', ...args).trim();
    return text === '' ? [] : (JSON.parse(text) as T[]);
  }

  /** What `count` connections, or datagrams from as many sockets, are answered. */
  ask(where: string, protocol: 'tcp' | 'udp', host: string, port: number, count: number): string[] {
    return this.#peer(where, protocol, host, String(port), String(count));
  }

  /** What several targets, as `tcp 10.0.0.1 80`, answer when they are asked at the same time. */
  survey(where: string, targets: readonly string[]): string[] {
    return this.#peer(where, 'survey', ...targets);
  }

  /** What several hosts answer at the same time to one source port. */
  clash(where: string, protocol: 'tcp' | 'udp', hosts: readonly string[], port: number): string[] {
    return this.#peer(where, 'clash', protocol, String(port), hosts.join());
  }

  #peer(where: string, ...args: string[]): string[] {
    if (PACE > 1) return this.#lastingPeer(where).ask(args);
    return this.inside(where, process.execPath, program('plane-peer'), ...args)
      .trim()
      .split('\n');
  }

  #lastingPeer(where: string): LastingPeer {
    const file = this.path(where);
    const { ino } = statSync(file);
    const peer =
      this.#peers.get(ino) ??
      new LastingPeer(join(this.directory, `peer-${ino}`), [
        ...(['nsenter', `--net=${file}`] as const),
        ...[process.execPath, program('plane-peer'), 'lasting'],
      ]);
    this.#peers.set(ino, peer);
    return peer;
  }

  async serve(where: string, name: string, port = 80, address?: string): Promise<ChildProcess> {
    const child = this.start(
      where,
      process.execPath,
      program('plane-peer'),
      'serve',
      name,
      String(port),
      address ?? '',
    );
    if (child.stdout) await once(child.stdout, 'data');
    return child;
  }

  /** A connection, or a socket of UDP, that is used all the time; its lines so far. */
  hold(
    where: string,
    host: string,
    port: number,
    protocol: 'tcp' | 'udp' = 'tcp',
  ): { readonly lines: string[]; readonly child: ChildProcess } {
    const mode = protocol === 'tcp' ? 'hold' : 'hold-udp';
    const child = this.start(where, process.execPath, program('plane-peer'), mode, host, String(port));
    const lines: string[] = [];
    if (child.stdout) createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    return { lines, child };
  }

  /**
   * Sends SYNs from forged sources until it is killed, or the time is over.
   * @param filled after so many there is a line of output: what they shall fill is full
   */
  flood(
    where: string,
    host: string,
    port: number,
    how: { readonly perSecond: number; readonly seconds: number; readonly filled: number },
  ): ChildProcess {
    const args = [host, ...[port, how.perSecond, how.seconds, how.filled].map(String)];
    return this.start(where, process.execPath, program('plane-flood'), ...args);
  }

  start(where: string, ...command: string[]): ChildProcess {
    const child = spawn('nsenter', [`--net=${this.path(where)}`, ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#children.add(child);
    return child;
  }

  /** @throws at the end, when all that could be taken away is */
  async close(): Promise<void> {
    const failures: unknown[] = [];
    const attempt = async (step: () => unknown) => {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    };
    for (const driver of this.#drivers) await attempt(() => driver.kill());
    for (const child of this.#children) await attempt(() => child.kill('SIGKILL'));
    for (const peer of this.#peers.values()) await attempt(() => peer.close());
    for (const node of list(this.directory)) {
      const netns = join(this.runRoot(node), 'netns');
      for (const file of list(netns)) await attempt(() => removeNamespace(join(netns, file)));
    }
    for (const name of this.#names)
      await attempt(() => execFileSync('ip', ['netns', 'delete', `${this.#prefix}-${name}`]));
    await attempt(() => rmSync(this.directory, { recursive: true, force: true }));
    if (failures.length > 0) throw new AggregateError(failures, `not all is taken away: ${failures.join('; ')}`);
  }
}

function list(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    // Nothing was made there, or what lies there is a file.
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return [];
    throw error;
  }
}

/** Polls until `check` returns something true. @throws with its last word when it does not in time */
export async function eventually<T>(check: () => T | undefined | false, milliseconds = 10_000 * PACE): Promise<T> {
  const deadline = Date.now() + milliseconds;
  for (;;) {
    let failure: unknown;
    try {
      const value = check();
      if (value) return value;
    } catch (error) {
      failure = error;
    }
    if (Date.now() > deadline) throw failure ?? new Error(`not within ${milliseconds} ms: ${check}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
