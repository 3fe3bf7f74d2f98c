import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, createReadStream, openSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newId } from '../../lib/ids.js';
import { macOf } from '../../lib/ip.js';
import { silentLogger } from '../../lib/log.js';
import {
  ContainerSpec,
  EndpointRecord,
  IPAMConfig,
  NetworkAttachment,
  NetworkRecord,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
} from '../../proto/gen/index.js';
import { TestDispatcher } from '../../worker/agent/testing.js';
import { OciImageStore } from '../../worker/executor/oci/index.js';
import { removeRemains } from '../machine/remains.js';
import type { EngineProcessOptions } from './engine.js';
import { busyboxTar } from './executor-fixture.js';
import { program } from './programs.js';

export const IMAGE = 'worker-test:busybox';
const NODE_ADDRESS = '203.0.113.1';

export interface WorkerProcessOptions extends EngineProcessOptions {
  readonly managers: readonly string[];
  readonly dataPathAddress: string;
}

/** A machine for one worker: a network namespace, folders, an image, and a dispatcher that the test speaks for. */
export class WorkerGround {
  readonly folder: string;
  readonly namespace: string;
  readonly dispatcher: TestDispatcher;
  readonly options: WorkerProcessOptions;
  readonly #images: OciImageStore;
  #worker: ChildProcess | undefined;

  private constructor(folder: string, images: OciImageStore) {
    this.folder = folder;
    this.namespace = `wk-${newId().slice(0, 8)}`;
    this.dispatcher = new TestDispatcher(join(folder, 'manager.sock'));
    this.#images = images;
    this.options = {
      dataRoot: join(folder, 'data'),
      runRoot: join(folder, 'run'),
      images: join(folder, 'images'),
      cgroupParent: `/tsswarm-${this.namespace}`,
      managers: [this.dispatcher.address],
      dataPathAddress: NODE_ADDRESS,
    };
  }

  static async open(): Promise<WorkerGround> {
    const folder = await mkdtemp(join(tmpdir(), 'tsswarm-worker-'));
    const images = await OciImageStore.open({ root: join(folder, 'images'), log: silentLogger });
    const archive = createReadStream(await busyboxTar(folder));
    await images.import(archive, { name: IMAGE, format: 'rootfs', changes: ['CMD ["sleep", "1000"]'] });
    const ground = new WorkerGround(folder, images);
    const { namespace } = ground;
    execFileSync('ip', ['netns', 'add', namespace]);
    for (const command of [
      'link set lo up',
      'link add data type bridge',
      `addr add ${NODE_ADDRESS}/24 dev data`,
      'link set data up',
    ])
      execFileSync('ip', ['-n', namespace, ...command.split(' ')]);
    return ground;
  }

  get pid(): number {
    return this.#worker?.pid ?? 0;
  }

  start(): void {
    this.#worker = this.#spawn('run');
  }

  /** What a node does that leaves its swarm. */
  async leave(): Promise<void> {
    await this.end('SIGTERM');
    const [code] = await once(this.#spawn('leave'), 'exit');
    if (code !== 0) throw new Error(`the worker could not leave:\n${await this.log()}`);
  }

  #spawn(verb: 'run' | 'leave'): ChildProcess {
    const log = openSync(join(this.folder, 'worker.log'), 'a');
    const command = [process.execPath, program('worker-process'), JSON.stringify(this.options), verb];
    const child = spawn('nsenter', [`--net=/run/netns/${this.namespace}`, ...command], { stdio: ['ignore', log, log] });
    closeSync(log);
    return child;
  }

  /** Resolves when the process is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    if (!worker || worker.exitCode !== null || worker.signalCode !== null) return;
    const exit = once(worker, 'exit');
    worker.kill(signal);
    await exit;
  }

  async close(): Promise<void> {
    try {
      await this.leave();
      await this.#images.close();
    } finally {
      this.dispatcher.close();
      await removeRemains(this.folder, `tsswarm-${this.namespace}`);
      execFileSync('ip', ['netns', 'del', this.namespace]);
      await rm(this.folder, { recursive: true, force: true });
    }
  }

  log(): Promise<string> {
    return readFile(join(this.folder, 'worker.log'), 'utf8');
  }

  /** A standard tool in one of the worker's namespaces: `1-<network>`, `ingress_sbox` or a task's id. */
  inside(namespace: string, ...command: string[]): string {
    const file = join(this.options.runRoot, 'netns', namespace);
    return execFileSync('nsenter', [`--net=${file}`, ...command], { encoding: 'utf8' });
  }

  until(what: string, condition: () => boolean, ms = 20_000): Promise<void> {
    return this.dispatcher.until(what, condition, ms);
  }
}

export const network: NetworkRecord = NetworkRecord.create({
  id: 'net0000000000000000000001',
  name: 'front',
  vni: 4097,
  ipam: [IPAMConfig.create({ subnet: '10.0.1.0/24', gateway: '10.0.1.1' })],
});

export function taskOn(
  address: string,
  container: Partial<ContainerSpec> = {},
  desiredState: TaskState = TaskState.RUNNING,
): Task {
  const spec = TaskSpec.create({
    container: ContainerSpec.create({ image: IMAGE, stopGracePeriod: 0.1e9, ...container }),
  });
  return Task.create({
    id: newId(),
    serviceId: 'web000000000000000000000x',
    serviceName: 'web',
    slot: 1,
    nodeId: 'node1',
    desiredState,
    status: TaskStatus.create({ state: TaskState.ASSIGNED, message: 'assigned' }),
    spec,
    networks: [
      NetworkAttachment.create({
        networkId: network.id,
        networkName: network.name,
        addresses: [`${address}/24`],
        mac: macOf(address),
      }),
    ],
  });
}

export function remoteEndpoint(address: string): EndpointRecord {
  const taskId = newId();
  return EndpointRecord.create({
    id: `${network.id}/${taskId}`,
    networkId: network.id,
    taskId,
    nodeId: 'node2',
    addresses: [`${address}/24`],
    mac: macOf(address),
    vtep: '203.0.113.2',
  });
}

/** Whether a shell has set its trap: before that, a signal meets the runtime's own program. */
export function traps(pid: number, signal: number): boolean {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mask = (name: string) => BigInt(`0x${new RegExp(`^${name}:\\s*(\\S+)$`, 'm').exec(status)?.[1] ?? '0'}`);
  const bit = 1n << BigInt(signal - 1);
  return /^Name:\s*(sh|busybox)$/m.test(status) && ((mask('SigCgt') | mask('SigIgn')) & bit) !== 0n;
}
