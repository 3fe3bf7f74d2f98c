import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { until } from '../swarm.js';
import type { Cluster, TargetDescription } from './cluster.js';

interface Member {
  readonly name: string;
  readonly client: string;
  readonly peer: string;
  process: ChildProcess | undefined;
}

/** The part of a Maintenance/Status answer that matters here; 64-bit numbers are strings in etcd's JSON. */
interface Status {
  readonly header: { readonly member_id: string };
  readonly leader: string;
  readonly raftIndex: string;
  readonly raftAppliedIndex: string;
}

const STARTS_WITHIN_MS = 30_000;

/** Three etcd members (Debian's etcd-server) with etcd's own defaults on loopback addresses. */
export class EtcdCluster implements Cluster {
  readonly name = 'etcd';
  readonly #folder: string;
  readonly #members: readonly Member[] = [1, 2, 3].map((n) => ({
    name: `etcd${n}`,
    client: `127.0.0.1:${23_790 + n}`,
    peer: `127.0.0.1:${23_800 + n}`,
    process: undefined,
  }));

  /** @param folder for the members' data and what they print; made here, and removed at the end */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async start(): Promise<void> {
    mkdirSync(this.#folder, { recursive: true });
    for (const member of this.#members) this.#spawn(member);
    for (const member of this.#members) await this.#serves(member);
  }

  async stop(): Promise<void> {
    for (const member of this.#members) await kill(member);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  target(): TargetDescription {
    return { members: this.#members.map(({ client }) => client) };
  }

  async killLeader(): Promise<number> {
    const leader = await this.#leader();
    const at = performance.now();
    await kill(leader);
    return at;
  }

  async restart(): Promise<void> {
    const newest = BigInt((await status(await this.#leader())).raftIndex);
    for (const member of this.#members) {
      if (member.process) continue;
      this.#spawn(member);
      await this.#serves(member);
      const isCurrent = async () => BigInt((await status(member)).raftAppliedIndex) >= newest;
      await until(isCurrent, STARTS_WITHIN_MS, `${member.name}: has not caught up`);
    }
  }

  #spawn(member: Member): void {
    const log = openSync(this.#logOf(member), 'a');
    const cluster = this.#members.map(({ name, peer }) => `${name}=http://${peer}`).join(',');
    const flags = {
      name: member.name,
      'data-dir': path.join(this.#folder, member.name),
      'listen-client-urls': `http://${member.client}`,
      'advertise-client-urls': `http://${member.client}`,
      'listen-peer-urls': `http://${member.peer}`,
      'initial-advertise-peer-urls': `http://${member.peer}`,
      'initial-cluster': cluster,
      'initial-cluster-token': 'bench',
    };
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    // Without this process's environment: ETCD_* there would be settings.
    member.process = spawn('etcd', args, { env: { PATH: process.env.PATH }, stdio: ['ignore', log, log] });
    closeSync(log);
  }

  #logOf(member: Member): string {
    return path.join(this.#folder, `${member.name}.log`);
  }

  /** Its /health answers true once it knows a leader and a linearizable read succeeds. */
  async #serves(member: Member): Promise<void> {
    const isHealthy = async () => {
      if (member.process && hasEnded(member.process))
        throw new Error(`${member.name} has ended: ${readFileSync(this.#logOf(member), 'utf8').slice(-1000)}`);
      const answer = await fetch(`http://${member.client}/health`).catch(() => undefined);
      return answer !== undefined && ((await answer.json()) as { health: string }).health === 'true';
    };
    await until(isHealthy, STARTS_WITHIN_MS, `${member.name}: is not healthy`);
  }

  async #leader(): Promise<Member> {
    for (const member of this.#members) {
      if (!member.process) continue;
      const { header, leader } = await status(member);
      if (header.member_id === leader) return member;
    }
    throw new Error('etcd has no leader');
  }
}

async function status({ client }: Member): Promise<Status> {
  const answer = await fetch(`http://${client}/v3/maintenance/status`, { method: 'POST', body: '{}' });
  return (await answer.json()) as Status;
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess) => exitCode !== null || signalCode !== null;

async function kill(member: Member): Promise<void> {
  const { process } = member;
  if (!process) return;
  member.process = undefined;
  if (hasEnded(process)) return;
  const ended = once(process, 'exit');
  process.kill('SIGKILL');
  await ended;
}
