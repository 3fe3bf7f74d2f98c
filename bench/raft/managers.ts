import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from '../swarm.js';
import type { Cluster, TargetDescription } from './cluster.js';

/** What a member's process is told. */
export interface MemberJob {
  readonly folder: string;
  /** host:port of all. */
  readonly members: readonly string[];
  /** Which of them this is, from 1. */
  readonly self: number;
  /** Entries between two snapshots. */
  readonly snapshotInterval: number;
}

/** What it is asked. */
export type MemberRequest = { readonly kind: 'status' | 'reset' } | { readonly kind: 'fill'; readonly tasks: number };

/** What it answers. */
export interface MemberStatus {
  readonly leads: boolean;
  readonly leader: string | undefined;
  readonly voters: number;
  readonly applied: number;
  readonly tasks: number;
  /** Bytes. */
  readonly rss: number;
  /** Longest time for which the event loop was held up since the last reset, in milliseconds. */
  readonly loopDelay: number;
}

const SCRIPT = path.join(path.dirname(fileURLToPath(import.meta.url)), 'member-process.js');
const ADDRESSES = [1, 2, 3].map((n) => `127.0.0.1:${23_890 + n}`);
/** As in bin/tsswarmd. */
const NODE_FLAGS = ['--max-semi-space-size=4'];
const STARTS_WITHIN_MS = 30_000;

/** Three managers' logs and stores, with the settings of `tsswarmd`. */
export class ManagerCluster implements Cluster {
  readonly name = 'tsswarm';
  readonly #folder: string;
  readonly #members = new Map<number, ChildProcess>();

  readonly #snapshotInterval: number;
  #watchesDelay = false;

  /** @param folder for the members' data; removed at the end */
  constructor(folder: string, snapshotInterval = 10_000) {
    this.#folder = folder;
    this.#snapshotInterval = snapshotInterval;
  }

  async start(): Promise<void> {
    await Promise.all([2, 3].map((self) => this.#spawn(self)));
    await this.#spawn(1);
    const isReady = async () => (await this.#statuses()).every(({ voters, leader }) => voters === 3 && leader);
    await until(isReady, STARTS_WITHIN_MS, 'not all members have a vote');
  }

  async stop(): Promise<void> {
    for (const self of [...this.#members.keys()]) await this.#kill(self);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  target(): TargetDescription {
    return { members: ADDRESSES };
  }

  async killLeader(): Promise<number> {
    let leader = 0;
    const isKnown = async () => {
      leader = await this.#leader();
      return leader > 0;
    };
    await until(isKnown, STARTS_WITHIN_MS, 'nobody leads');
    const at = performance.now();
    await this.#kill(leader);
    return at;
  }

  async restart(): Promise<void> {
    for (const self of [1, 2, 3]) if (!this.#members.has(self)) await this.startMember(self);
  }

  /** Resolves when it has all that the others have. @returns milliseconds that it took */
  async startMember(self: number): Promise<number> {
    const newest = Math.max(...(await this.#statuses()).map(({ applied }) => applied));
    const begun = performance.now();
    await this.#spawn(self);
    if (this.#watchesDelay) await this.resetDelay(self);
    const isCurrent = async () => (await this.status(self)).applied >= newest;
    await until(isCurrent, STARTS_WITHIN_MS, `member ${self} has not caught up`);
    return performance.now() - begun;
  }

  async killMember(self: number): Promise<void> {
    await this.#kill(self);
  }

  status(self: number): Promise<MemberStatus> {
    return this.#ask(self, { kind: 'status' });
  }

  /** Forgets how long the event loop was held up. */
  async resetDelay(self: number): Promise<void> {
    this.#watchesDelay = true;
    await this.#ask(self, { kind: 'reset' });
  }

  /** Writes so many tasks into the leader's store. */
  async fill(tasks: number): Promise<void> {
    await this.#ask(await this.#leader(), { kind: 'fill', tasks });
  }

  async #spawn(self: number): Promise<void> {
    const folder = path.join(this.#folder, `member${self}`);
    const job: MemberJob = { folder, members: ADDRESSES, self, snapshotInterval: this.#snapshotInterval };
    const child = fork(SCRIPT, [JSON.stringify(job)], { execArgv: NODE_FLAGS });
    this.#members.set(self, child);
    await once(child, 'message');
  }

  async #kill(self: number): Promise<void> {
    const child = this.#members.get(self);
    this.#members.delete(self);
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async #ask(self: number, request: MemberRequest): Promise<MemberStatus> {
    const child = this.#members.get(self);
    if (!child) throw new RangeError(`member ${self} does not run`);
    const answer = once(child, 'message');
    child.send(request);
    return (await answer)[0] as MemberStatus;
  }

  #statuses(): Promise<MemberStatus[]> {
    return Promise.all([...this.#members.keys()].map((self) => this.status(self)));
  }

  /** 0 when nobody leads. */
  async #leader(): Promise<number> {
    for (const self of this.#members.keys()) if ((await this.status(self)).leads) return self;
    return 0;
  }
}
