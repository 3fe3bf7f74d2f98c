import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ControlService } from '../../proto/gen/index.js';
import { Channel, type Stubs } from '../../proto/rpc/client.js';
import type { AgentsJob, AgentsStatus, ManagerJob, ManagerReady, ManagerStatus } from './messages.js';

const ADDRESS = '127.0.0.1:23899';
/** Nodes in one process: they cost less than the manager does for them. */
const NODES_PER_PROCESS = 500;
/** As in bin/tsswarmd. */
const NODE_FLAGS = ['--max-semi-space-size=4'];

const script = (name: string) => path.join(path.dirname(fileURLToPath(import.meta.url)), name);

/** One real manager in a process of its own, and nodes that speak the real protocol and run nothing, in others. */
export class SimulatedSwarm {
  readonly control: Stubs<typeof ControlService>;
  readonly #folder: string;
  readonly #manager: ChildProcess;
  readonly #channel: Channel;
  readonly #agents: ChildProcess[] = [];
  readonly #token: string;

  static async start(): Promise<SimulatedSwarm> {
    const folder = mkdtempSync('/var/tmp/bench-scale-');
    const job: ManagerJob = { folder, address: ADDRESS, socket: path.join(folder, 'sock') };
    const manager = start('manager-process.js', job);
    try {
      const { workerToken } = await answer<ManagerReady>(manager);
      return new SimulatedSwarm(folder, manager, workerToken);
    } catch (error) {
      // Its process has ended.
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  private constructor(folder: string, manager: ChildProcess, token: string) {
    this.#folder = folder;
    this.#manager = manager;
    this.#token = token;
    this.#channel = new Channel(`unix://${folder}/sock`);
    this.control = this.#channel.stubs(ControlService);
  }

  /** Resolves when the processes run, before the nodes have joined. */
  addNodes(count: number): void {
    for (let first = 0; first < count; first += NODES_PER_PROCESS) {
      const length = Math.min(NODES_PER_PROCESS, count - first);
      const names = Array.from({ length }, (_, i) => `node${first + i + 1}`);
      this.#agents.push(
        start('agents-process.js', { address: ADDRESS, token: this.#token, names } satisfies AgentsJob),
      );
    }
  }

  manager(): Promise<ManagerStatus> {
    return ask<ManagerStatus>(this.#manager);
  }

  /** Of all nodes, about the time since the last call. @throws when a node has lost its session */
  async nodes(): Promise<Pick<AgentsStatus, 'connected' | 'delays'>> {
    const all = await Promise.all(this.#agents.map((agents) => ask<AgentsStatus>(agents)));
    const [error] = all.flatMap(({ errors }) => errors);
    if (error !== undefined) throw new Error(`a node has lost its session: ${error}`);
    return {
      connected: all.reduce((sum, { connected }) => sum + connected, 0),
      delays: all.flatMap(({ delays }) => delays),
    };
  }

  async stop(): Promise<void> {
    this.#channel.close();
    for (const child of [...this.#agents, this.#manager]) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** When each process ends, which it must not. */
const ends = new WeakMap<ChildProcess, Promise<never>>();

function start(name: string, job: object): ChildProcess {
  const child = fork(script(name), [JSON.stringify(job)], { execArgv: NODE_FLAGS });
  const end = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`${name} has ended: ${code ?? signal}`);
  });
  // That it was stopped at the end is nobody's concern.
  end.catch(() => undefined);
  ends.set(child, end);
  return child;
}

function ask<T>(child: ChildProcess): Promise<T> {
  child.send({});
  return answer(child);
}

/** @throws when the process ends instead */
async function answer<T>(child: ChildProcess): Promise<T> {
  const message = new Promise((resolve) => child.once('message', resolve));
  return (await Promise.race([message, ends.get(child)])) as T;
}
