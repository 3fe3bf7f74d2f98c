import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import { newId } from '../../lib/ids.js';
import { type Logger, silentLogger } from '../../lib/log.js';
import { AttachmentsService, type Service, type ServiceSpec, type Task, TaskState } from '../../proto/gen/index.js';
import { RpcServer } from '../../proto/rpc/server.js';
import { Allocator } from '../allocator/allocator.js';
import { Attachments } from '../attachments/attachments.js';
import { Autoscaler } from '../autoscaler/autoscaler.js';
import { isWanted } from '../common/tasks.js';
import { Dependencies } from '../dependencies/dependencies.js';
import { Dispatcher } from '../dispatcher/dispatcher.js';
import type { DrainTimeouts } from '../dispatcher/drain.js';
import { SharingDispatcherService } from '../dispatcher/shared-change.js';
import { newGroup } from '../identity.js';
import { authenticate } from '../join/authenticate.js';
import { sha256 } from '../join/tokens.js';
import { Orchestrator } from '../orchestrator/orchestrator.js';
import { TaskReaper } from '../orchestrator/reaper.js';
import type { RaftMember } from '../raft/member/raft-member.js';
import { Rebalancer } from '../rebalancer/rebalancer.js';
import { Scheduler } from '../scheduler/scheduler.js';
import { MemoryStore } from '../store/memory-store.js';
import { UsageReports } from '../usage/usage-reports.js';
import { FakeAgent } from './fake-agent.js';
import { ingressNetwork, testCluster, testNode, testService } from './objects.js';
import { soleMember } from './sole-member.js';

/** Milliseconds in which a member without others leads. */
const ELECTION_TIMEOUT = 10_000;

/** A manager with all its loops over a log on disk, and fake agents on the other side of a real server. */
export class TestSwarm {
  readonly agents: FakeAgent[] = [];
  readonly ingress = ingressNetwork();
  readonly #folder: string;
  readonly #identity = newGroup();
  readonly #heartbeat: number;
  readonly #log: Logger;
  readonly #drainTimeouts: DrainTimeouts;
  #member: RaftMember;
  #store: MemoryStore;
  #server: RpcServer;
  #ending = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  /** @param heartbeat milliseconds; @param drainTimeouts if not the usual */
  static async start(
    nodes: number,
    heartbeat = 1_000,
    log: Logger = silentLogger,
    drainTimeouts: DrainTimeouts = {},
  ): Promise<TestSwarm> {
    const folder = await mkdtemp(path.join(tmpdir(), 'tsswarm-test-'));
    const swarm = new TestSwarm(folder, heartbeat, log, drainTimeouts);
    onTestFinished(() => swarm.#end());
    await swarm.#begin();
    await swarm.store.update((draft) => {
      draft.create('cluster', testCluster(heartbeat));
      draft.create('network', swarm.ingress);
    });
    for (let i = 1; i <= nodes; i++) await swarm.join(`node${i}`);
    return swarm;
  }

  private constructor(folder: string, heartbeat: number, log: Logger, drainTimeouts: DrainTimeouts) {
    this.#drainTimeouts = drainTimeouts;
    this.#folder = folder;
    this.#heartbeat = heartbeat;
    this.#log = log;
    this.#member = this.#newMember();
    this.#store = this.#newStore();
    this.#server = new RpcServer(log);
  }

  get store(): MemoryStore {
    return this.#store;
  }

  async join(name: string): Promise<FakeAgent> {
    const secret = Buffer.from(newId());
    const node = { ...testNode(name), credentialDigest: sha256(secret) };
    await this.store.update((draft) => draft.create('node', node));
    const agent = this.#newAgent({ nodeId: node.id, secret });
    await agent.connect();
    return agent;
  }

  /** Another process with the identity of an agent's node. Not connected. */
  copyOf({ credential }: FakeAgent, instance: string): FakeAgent {
    const agent = this.#newAgent(credential);
    agent.instance = instance;
    return agent;
  }

  #newAgent(credential: FakeAgent['credential']): FakeAgent {
    const agent = new FakeAgent(`unix://${this.#folder}/sock`, credential, this.#heartbeat / 2);
    this.agents.push(agent);
    return agent;
  }

  /** Ends the manager as a crash does, and starts it again over the same log. */
  async restart(): Promise<void> {
    await this.#stop();
    this.#member = this.#newMember();
    this.#store = this.#newStore();
    this.#server = new RpcServer(this.#log);
    await this.#begin();
  }

  async create(name: string, replicas: number, fields: Partial<ServiceSpec> = {}): Promise<Service> {
    const service = testService(name, replicas, fields);
    await this.store.update((draft) => draft.create('service', { ...service, specVersion: draft.version + 1 }));
    return service;
  }

  tasks(serviceId: string): Task[] {
    return [...this.store.view().tasksOfService(serviceId)];
  }

  running(serviceId: string): Task[] {
    return this.tasks(serviceId).filter((task) => isWanted(task) && task.status.state === TaskState.RUNNING);
  }

  /** Waits for a condition on the store. @throws when it does not hold in time, with what `describe` says */
  async until(condition: () => boolean, timeout = 30_000, describe: () => unknown = () => ''): Promise<void> {
    const end = Date.now() + timeout;
    while (!condition()) {
      if (Date.now() > end) throw new Error(`not in time: ${condition} ${JSON.stringify(describe())}`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  }

  #newMember(): RaftMember {
    return soleMember(path.join(this.#folder, 'log'), this.#identity, this.#log);
  }

  #newStore(): MemoryStore {
    return new MemoryStore({ proposer: this.#member, clock: systemClock, log: this.#log });
  }

  async #begin(): Promise<void> {
    await this.#store.start();
    await this.#member.untilLeading(AbortSignal.timeout(ELECTION_TIMEOUT));
    this.#ending = new AbortController();
    const options = { store: this.#store, clock: systemClock, log: this.#log };
    const usage = new UsageReports();
    const dispatcher = new Dispatcher({
      ...options,
      usage,
      drainTimeouts: this.#drainTimeouts,
      authenticate: (context) => authenticate(this.#store, context),
    });
    const loops = [
      new Orchestrator(options),
      new Allocator(options),
      new Scheduler(options),
      new Rebalancer(options),
      new Dependencies(options),
      new TaskReaper(options),
      new Autoscaler({ ...options, usage }),
      dispatcher,
    ];
    this.#running = Promise.all(loops.map((loop) => loop.run(this.#ending.signal)));
    this.#server.add(SharingDispatcherService, dispatcher.handlers);
    const nodeOf: Dispatcher['nodeOf'] = (sessionId, context) => dispatcher.nodeOf(sessionId, context);
    this.#server.add(AttachmentsService, new Attachments({ ...options, nodeOf }).handlers);
    await this.#server.listen(`unix://${this.#folder}/sock`);
  }

  async #stop(): Promise<void> {
    this.#ending.abort();
    await this.#running;
    this.#server.close();
    await this.#store.stop();
  }

  async #end(): Promise<void> {
    for (const agent of this.agents) await agent.close();
    await this.#stop();
    await rm(this.#folder, { recursive: true });
  }
}
