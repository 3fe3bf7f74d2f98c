import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { deferred } from '../../../lib/async.js';
import { systemClock } from '../../../lib/clock.js';
import { silentLogger } from '../../../lib/log.js';
import { RaftTransportService } from '../../../proto/gen/index.js';
import { RpcServer } from '../../../proto/rpc/server.js';
import type { StateMachine } from '../../store/proposer.js';
import { newStorageKey } from '../disk/raft-disk.js';
import type { Group } from './group.js';
import { RaftMember } from './raft-member.js';

/** A list of lines, to which each entry adds one. */
export class Lines implements StateMachine {
  readonly lines: string[] = [];
  /** Restores that have begun. */
  restores = 0;
  /** Milliseconds for which adding a line takes the processor. */
  delay = 0;
  #released: Promise<void> = Promise.resolve();

  /** From now on a restore does not end before the returned function is called. */
  holdRestores(): () => void {
    const { promise, resolve } = deferred<void>();
    this.#released = promise;
    return () => resolve();
  }

  apply(_index: number, payload: Uint8Array): void {
    for (const end = performance.now() + this.delay; performance.now() < end; );
    this.lines.push(Buffer.from(payload).toString());
  }

  snapshot(): { readonly chunks: Iterable<Uint8Array> } {
    return { chunks: [Buffer.from(JSON.stringify(this.lines))] };
  }

  async restore(_index: number, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const parts: Uint8Array[] = [];
    this.restores++;
    for await (const chunk of chunks) parts.push(chunk);
    await this.#released;
    this.lines.splice(0, this.lines.length, ...(parts.length > 0 ? JSON.parse(Buffer.concat(parts).toString()) : []));
  }
}

/** One member with its disk and its port, which stay when it stops. */
export class TestMember {
  readonly #group: TestGroup;
  readonly raftId: number;
  readonly port: number;
  readonly #keys = [newStorageKey()];
  #server: RpcServer;
  #member: RaftMember | undefined;
  #machine = new Lines();
  #opened = false;

  constructor(group: TestGroup, raftId: number, port: number, server: RpcServer) {
    this.#group = group;
    this.raftId = raftId;
    this.port = port;
    this.#server = server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get lines(): readonly string[] {
    return this.#machine.lines;
  }

  get machine(): Lines {
    return this.#machine;
  }

  get member(): RaftMember {
    if (!this.#member) throw new RangeError(`member ${this.raftId} is stopped`);
    return this.#member;
  }

  get running(): boolean {
    return this.#member !== undefined;
  }

  get group(): Group {
    const { group } = this.member;
    if (!group) throw new RangeError(`member ${this.raftId} has not started`);
    return group;
  }

  async start(first = false): Promise<void> {
    const { folder, interval, keepEntries, log } = this.#group;
    this.#machine = new Lines();
    const nodeId = `node${this.raftId}`;
    const member = new RaftMember({
      folder: path.join(folder, nodeId),
      keys: this.#keys,
      raftId: this.raftId,
      nodeId,
      group: 'test',
      address: this.address,
      credential: { nodeId, secret: new Uint8Array(32), managerSecret: Buffer.alloc(32, 7) },
      onEmpty: this.#opened ? 'refuse' : first ? 'begin' : 'wait',
      initialPeers: this.#group.addresses(),
      addressOf: () => undefined,
      policy: () => ({ interval, keepEntries }),
      keepOldSnapshots: () => 0,
      clock: systemClock,
      log,
      onFatal: (error) => {
        this.#group.fatal = error;
      },
    });
    this.#server.add(RaftTransportService, member.handlers);
    await member.start(this.#machine);
    this.#opened = true;
    this.#member = member;
  }

  /** @param hard as a crash does: without a word to the others */
  async stop(hard = false): Promise<void> {
    const member = this.#member;
    this.#member = undefined;
    if (hard) this.#server.close();
    await member?.stop();
    this.#server.close();
  }

  async restart(): Promise<void> {
    this.#server = new RpcServer(this.#group.log);
    await this.#server.listen(this.address);
    await this.start();
  }

  async propose(line: string): Promise<number> {
    return this.member.propose(Buffer.from(line));
  }
}

/** A group of members in this process, over real sockets and files. Ends with the test. */
export class TestGroup {
  readonly members: TestMember[] = [];
  readonly log = silentLogger;
  /** What a member could not survive; a test that ends with one has failed. */
  fatal: unknown;

  readonly folder: string;
  readonly interval: number;
  readonly keepEntries: number;

  private constructor(folder: string, interval: number, keepEntries: number) {
    this.folder = folder;
    this.interval = interval;
    this.keepEntries = keepEntries;
  }

  /** @param size of voters, which all know each other when this resolves */
  static async start(size: number, { interval = 1_000, keepEntries = 100 } = {}): Promise<TestGroup> {
    const group = new TestGroup(await mkdtemp(path.join(tmpdir(), 'group-')), interval, keepEntries);
    onTestFinished(() => group.#end());
    const first = await group.add();
    await first.start(true);
    await until(() => first.member.standing().leading);
    while (group.members.length < size) await group.join(await group.add());
    return group;
  }

  /** A member that is not in the group yet, and not started. */
  async add(): Promise<TestMember> {
    const server = new RpcServer(this.log);
    const port = await server.listen('127.0.0.1:0');
    const member = new TestMember(this, this.members.length + 1, port, server);
    this.members.push(member);
    return member;
  }

  /** Starts it and makes it a voter. */
  async join(member: TestMember): Promise<void> {
    const leader = await this.leader();
    await member.start();
    await leader.group.addLearner(member.raftId);
    await until(() => leader.group.members().some((m) => m.raftId === member.raftId && m.caughtUp && m.reachable));
    await leader.group.promote(member.raftId);
  }

  addresses(): ReadonlyMap<number, string> {
    return new Map(this.members.map(({ raftId, address }) => [raftId, address]));
  }

  /** Resolves with whoever may write. */
  async leader(): Promise<TestMember> {
    let found: TestMember | undefined;
    await until(() => {
      found = this.members.find((candidate) => candidate.running && candidate.member.standing().leading);
      return found !== undefined;
    });
    return found as TestMember;
  }

  async followers(): Promise<TestMember[]> {
    const leader = await this.leader();
    return this.members.filter((member) => member.running && member !== leader);
  }

  async #end(): Promise<void> {
    await Promise.all(this.members.map((member) => member.stop()));
    await rm(this.folder, { recursive: true });
    if (this.fatal !== undefined) throw this.fatal;
  }
}

/** Polls. @throws when the condition does not hold in time */
export async function until(condition: () => boolean, timeout = 15_000): Promise<void> {
  const end = Date.now() + timeout;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not in time: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
