import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ControlService } from '../../proto/gen/index.js';
import { Channel, type Stubs } from '../../proto/rpc/client.js';
import { until } from '../swarm.js';
import type { AgentsJob, AgentsRequest, AgentsStatus, ManagerJob, ManagerReady, ManagerStatus } from './messages.js';

const FIRST_PORT = 23_899;
/** Nodes in one process: they cost less than the managers do for them. */
const NODES_PER_PROCESS = 500;
/** As in bin/tsswarmd. */
const NODE_FLAGS = ['--max-semi-space-size=4'];
const STARTS_WITHIN_MS = 30_000;

const script = (name: string) => path.join(path.dirname(fileURLToPath(import.meta.url)), name);

/** Real managers in a process each, and nodes that speak the real protocol and run nothing, in others. */
export class SimulatedSwarm {
  readonly #folder = mkdtempSync('/var/tmp/bench-scale-');
  readonly #managers: ChildProcess[] = [];
  readonly #addresses: string[] = [];
  readonly #agents: ChildProcess[] = [];
  #channel: Channel | undefined;
  #control: Stubs<typeof ControlService> | undefined;
  #token = '';
  readonly #endings = new Map<string, number>();

  /** Resolves when all managers have a vote. */
  static async start(managers: number): Promise<SimulatedSwarm> {
    const swarm = new SimulatedSwarm();
    try {
      const { tokens } = await swarm.#addManager(undefined);
      if (!tokens) throw new Error('the first manager has made no swarm');
      swarm.#token = tokens.worker;
      for (let i = 1; i < managers; i++) await swarm.#addManager(tokens.manager);
      const isReady = async () => (await swarm.managers()).every(({ settled }) => settled);
      await until(isReady, STARTS_WITHIN_MS, 'not all managers have a vote');
      swarm.#channel = new Channel(`unix://${swarm.#folder}/0.sock`);
      swarm.#control = swarm.#channel.stubs(ControlService);
      return swarm;
    } catch (error) {
      await swarm.stop();
      throw error;
    }
  }

  /** Of the first manager, for operators. */
  get control(): Stubs<typeof ControlService> {
    if (!this.#control) throw new RangeError('the swarm has not started');
    return this.#control;
  }

  /** @param token of managers; undefined: the swarm is to be made */
  async #addManager(token: string | undefined): Promise<ManagerReady> {
    const number = this.#managers.length;
    const [address, leader] = [`127.0.0.1:${FIRST_PORT + number}`, this.#addresses[0]];
    const place = token === undefined || leader === undefined ? {} : { join: { leader, token } };
    const folder = path.join(this.#folder, String(number));
    const job: ManagerJob = { folder, address, socket: `${folder}.sock`, ...place };
    const manager = start('manager-process.js', job);
    this.#managers.push(manager);
    this.#addresses.push(address);
    return answer<ManagerReady>(manager);
  }

  /** Starts the processes; the nodes join then. */
  addNodes(count: number): void {
    for (let first = 0; first < count; first += NODES_PER_PROCESS) {
      const length = Math.min(NODES_PER_PROCESS, count - first);
      const names = Array.from({ length }, (_, i) => `node${first + i + 1}`);
      const job: AgentsJob = { addresses: this.#addresses, token: this.#token, names };
      this.#agents.push(start('agents-process.js', job));
    }
  }

  managers(): Promise<ManagerStatus[]> {
    return Promise.all(this.#managers.map((manager) => ask<ManagerStatus>(manager)));
  }

  /** Of the manager that leads, once there is one. @throws when there is none for long */
  async leader(): Promise<ManagerStatus> {
    let leader: ManagerStatus | undefined;
    const isThere = async () => {
      leader = (await this.managers()).find(({ leads }) => leads);
      return leader !== undefined;
    };
    await until(isThere, STARTS_WITHIN_MS, 'no manager leads');
    if (!leader) throw new RangeError('a leader that was found is gone');
    return leader;
  }

  /** Of all nodes, about the time since the last call. @param lose so many of them fall silent */
  async nodes(lose = 0): Promise<AgentsStatus> {
    const request: AgentsRequest = { lose: 0 };
    const all = await Promise.all(
      this.#agents.map((agents, i) => ask<AgentsStatus>(agents, i === 0 ? { lose } : request)),
    );
    for (const error of all.flatMap(({ errors }) => errors)) {
      const reason = error.replace(/\b[a-z0-9]{25}\b/g, '…');
      this.#endings.set(reason, (this.#endings.get(reason) ?? 0) + 1);
    }
    return {
      connected: all.reduce((sum, { connected }) => sum + connected, 0),
      delays: all.flatMap(({ delays }) => delays),
      errors: all.flatMap(({ errors }) => errors),
      cpu: all.reduce((sum, { cpu }) => sum + cpu, 0),
    };
  }

  /** Sessions that have ended though their nodes were not lost, by what their nodes were told. */
  get endings(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#endings);
  }

  async stop(): Promise<void> {
    this.#channel?.close();
    for (const child of [...this.#agents, ...this.#managers]) {
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

function ask<T>(child: ChildProcess, request: object = {}): Promise<T> {
  child.send(request);
  return answer(child);
}

/** @throws when the process ends instead */
async function answer<T>(child: ChildProcess): Promise<T> {
  const message = new Promise((resolve) => child.once('message', resolve));
  return (await Promise.race([message, ends.get(child)])) as T;
}
