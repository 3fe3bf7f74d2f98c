import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Context } from '../../cli/context.js';
import type { Io } from '../../cli/io.js';
import { run } from '../../cli/run.js';
import { testIo } from '../../cli/testing.js';
import { controlGate, inspectionsGate } from '../../daemon/control-gate.js';
import { systemClock } from '../../lib/clock.js';
import { notFound } from '../../lib/errors.js';
import { followEvents } from '../../lib/events/follow.js';
import { silentLogger } from '../../lib/log.js';
import { Allocator } from '../../manager/allocator/allocator.js';
import { bootstrapSwarm } from '../../manager/bootstrap.js';
import { controlHandlers } from '../../manager/control/handlers.js';
import { Dependencies } from '../../manager/dependencies/dependencies.js';
import { JobStarter } from '../../manager/jobs/job-starter.js';
import { NetworkKeys } from '../../manager/keys/network-keys.js';
import { Orchestrator } from '../../manager/orchestrator/orchestrator.js';
import { TaskReaper } from '../../manager/orchestrator/reaper.js';
import { Rebalancer } from '../../manager/rebalancer/rebalancer.js';
import { routedControl } from '../../manager/routing/control.js';
import { LeaderClient } from '../../manager/routing/leader-client.js';
import { Scheduler } from '../../manager/scheduler/scheduler.js';
import { MemoryStore } from '../../manager/store/memory-store.js';
import { supervise } from '../../manager/supervise.js';
import { testRoster } from '../../manager/testing/sole-member.js';
import {
  type ContainerInfo,
  ContainersService,
  ControlService,
  DoctorResponse,
  Image,
  InfoResponse,
  type IngressAnswer,
  InspectionsService,
  type InspectNodeRequest,
  KernelFeature,
  LocalNetwork,
  type LogBatch,
  type LogsRequest,
  NetworkSpec,
  Node,
  NodeAgentService,
  NodeAnswer,
  NodeDescription,
  NodeState,
  NodeStatus,
  SwarmState,
  type Task,
  TaskState,
} from '../../proto/gen/index.js';
import { type Handlers, RpcServer } from '../../proto/rpc/server.js';
import { LocalEvents } from '../../worker/events/local-events.js';
import { FickleLog, noQuorum } from './fickle-log.js';
import { SeverableSocket } from './severable-socket.js';

/** What became of one command line. */
export interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/**
 * A manager's store, control loops and API behind a unix socket, as a daemon has them. The nodes'
 * agents are played by the test: tasks that the scheduler has placed are put into the state that
 * `fate` gives them.
 */
export class TestSwarm {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'tsswarm-cli-'));
  readonly log = new FickleLog();
  readonly store = new MemoryStore({ proposer: this.log, clock: systemClock, log: silentLogger });
  /** Where the command line finds the daemon. */
  readonly socket = new SeverableSocket(path.join(this.folder, 'tsswarm.sock'), path.join(this.folder, 'daemon.sock'));
  /** What a placed task becomes: running, or complete when it is of a job, when left as it is, or failed with these words. */
  fate: (task: Task) => string | undefined = () => undefined;
  /** Containers that `inspect` is to find. */
  containers: readonly ContainerInfo[] = [];
  /** Log batches that `service logs` is to find. */
  logs: (request: LogsRequest) => Iterable<LogBatch> | AsyncIterable<LogBatch> = () => [];
  /** What a node answers when it is asked what goes through its published ports. */
  ingress: (nodeId: string) => IngressAnswer = () => {
    throw notFound('not part of this test');
  };
  /** The name of an image with its digest, as the node's daemon has it from a registry. */
  resolveImage: (name: string) => string = (name) => name;
  imported = Buffer.alloc(0);
  /** Of the machine. */
  readonly events = new LocalEvents(systemClock);
  /** Calls of the managers' API that have come in. */
  requests = 0;
  readonly #server = new RpcServer(silentLogger);
  readonly #stopping = new AbortController();
  #running: Promise<unknown> = Promise.resolve();
  #isManager = true;

  async start(): Promise<void> {
    const { store } = this;
    await store.start();
    const { nodeId, secret: credential } = OWN;
    const init = { nodeId, address: '203.0.113.1:2377', dataPathAddress: '203.0.113.1', credential };
    await bootstrapSwarm(store, init, systemClock.now());
    await store.update((draft) => {
      const first = draft.get('node', 'node1id');
      if (first) draft.update('node', { ...first, ...readyNode('node1') });
      draft.create('node', Node.create({ id: 'node2id', ...readyNode('node2') }));
    });
    const { signal } = this.#stopping;
    const options = { store, clock: systemClock, log: silentLogger };
    const loops = [
      Allocator,
      Scheduler,
      Dependencies,
      Orchestrator,
      Rebalancer,
      TaskReaper,
      JobStarter,
      NetworkKeys,
    ].map((Loop) => new Loop(options));
    const supervised = loops.map((loop) => supervise('loop', loop, { clock: systemClock, log: silentLogger, signal }));
    this.#running = Promise.all([...supervised, this.#playAgents(signal)]);
    const logs = { read: (request: LogsRequest) => this.#logs(request) };
    const local = controlHandlers(store, { clock: systemClock, managers: testRoster(store), logs });
    const leader = new LeaderClient({ source: this.log, clock: systemClock, credential: OWN, noLeader: noQuorum });
    const control = routedControl({ local, leader, barrier: () => this.log.barrier() });
    const asked = () => {
      this.requests++;
      return this.#isManager ? control : undefined;
    };
    const source = {
      get control() {
        return asked();
      },
      inspections: {
        inspectNode: async ({ nodeId }: InspectNodeRequest) => ({
          answer: NodeAnswer.create({ ingress: this.ingress(nodeId) }),
        }),
      },
      joined: true,
    };
    this.#server.add(ControlService, controlGate(source));
    this.#server.add(InspectionsService, inspectionsGate(source));
    this.#serveAgent();
    this.#serveContainers();
    await this.#server.listen(`unix://${path.join(this.folder, 'daemon.sock')}`);
    await this.socket.open();
  }

  async stop(): Promise<void> {
    try {
      await this.socket.close();
      this.#server.close();
      this.#stopping.abort();
      await this.#running;
      await this.store.stop();
    } finally {
      rmSync(this.folder, { recursive: true });
    }
  }

  /** From now on this node is a worker. */
  demote(): void {
    this.#isManager = false;
  }

  /** Runs one command line against this swarm. */
  async cli(...argv: string[]): Promise<Result> {
    return this.cliWith({}, ...argv);
  }

  async cliWith(io: Partial<Io>, ...argv: string[]): Promise<Result> {
    const result = { out: '', err: '' };
    const base = testIo({
      env: { HOME: this.folder },
      clock: systemClock,
      out: (text) => {
        result.out += text.toString();
      },
      err: (text) => {
        result.err += text.toString();
      },
    });
    const all = { ...base, ...io };
    const code = await run(argv, all, new Context(all, this.folder));
    return { code, ...result };
  }

  async *#logs(request: LogsRequest): AsyncIterable<LogBatch> {
    yield* this.logs(request);
  }

  async #playAgents(signal: AbortSignal): Promise<void> {
    for await (const commit of this.store.watch(signal, ['task']).commits) {
      const tasks = commit.events.filter((event) => event.action !== 'remove').map((event) => event.object as Task);
      for (const { id } of tasks) await this.#advance(id);
    }
  }

  async #advance(id: string): Promise<void> {
    await this.store.update((draft) => {
      const task = draft.get('task', id);
      if (!task || task.nodeId === '') return;
      const { state } = task.status;
      const put = (next: TaskState, error = '') =>
        draft.update('task', {
          ...task,
          status: { ...task.status, state: next, error, message: '', timestamp: systemClock.now() },
        });
      if (task.desiredState > TaskState.COMPLETE && state < TaskState.COMPLETE) put(TaskState.SHUTDOWN);
      else if (task.desiredState < TaskState.RUNNING && state < task.desiredState) put(task.desiredState);
      else if (WANTED.has(task.desiredState) && state < TaskState.RUNNING) {
        const failure = this.fate(task);
        // What a job asks for is done as soon as it is begun.
        if (failure === undefined) put(task.desiredState);
        else put(TaskState.FAILED, failure);
      }
    });
  }

  /** A node that has these containers, and of networks those that each has. */
  #serveContainers(): void {
    const none = async (): Promise<never> => {
      throw notFound('not part of this test');
    };
    const handlers = Object.fromEntries(Object.keys(ContainersService).map((name) => [name, none]));
    const spec = NetworkSpec.create({ name: 'bridge', driver: 'bridge', scope: 'local' });
    const bridge = LocalNetwork.create({ id: 'b'.repeat(64), spec });
    this.#server.add(ContainersService, {
      ...(handlers as unknown as Handlers<typeof ContainersService>),
      inspectContainer: async ({ ref }) => {
        const container = this.containers.find(({ id }) => id === ref);
        if (!container) throw notFound(`No such container: ${ref}`);
        return { container };
      },
      localEvents: (request, { signal }) => followEvents(this.events.log, request, systemClock, signal),
      listLocalNetworks: async ({ filters }) => ({
        networks: filters.every(({ key, values }) => key === 'name' && values.includes('bridge')) ? [bridge] : [],
      }),
    });
  }

  #serveAgent(): void {
    const unused = async (): Promise<never> => {
      throw notFound('not part of this test');
    };
    const features = [
      KernelFeature.create({ name: 'vxlan', available: true, required: true, meaning: 'overlay networks work' }),
      KernelFeature.create({ name: 'ipvs', remedy: 'modprobe ip_vs', meaning: 'nft balances' }),
    ];
    const image = Image.create({ id: 'sha256:00112233445566', names: ['web:latest'], sizeBytes: 2_000_000 });
    this.#server.add(NodeAgentService, {
      init: unused,
      joinSwarm: unused,
      leaveSwarm: unused,
      info: async () =>
        InfoResponse.create({
          version: '0.1.0',
          state: SwarmState.ACTIVE,
          nodeId: 'node1id',
          controlAvailable: this.#isManager,
          advertiseAddress: '203.0.113.1:2377',
          managers: ['203.0.113.10:2377', '203.0.113.1:2377'],
          spec: this.store.view().cluster().spec,
          description: NodeDescription.create({ hostname: 'node1' }),
        }),
      doctor: async () => DoctorResponse.create({ features }),
      listImages: async () => ({ images: [image] }),
      importImage: async (messages) => {
        for await (const message of messages) this.imported = Buffer.concat([this.imported, message.data]);
        return { image };
      },
      async *pullImage({ name }) {
        yield { message: `Pulling ${name}`, image: undefined };
        yield { message: '', image };
      },
      resolveImage: async ({ name }) => {
        return { name: this.resolveImage(name) };
      },
      removeImage: async ({ ref }) => ({ removed: [`Untagged: ${ref}`] }),
    });
  }
}

const WANTED: ReadonlySet<TaskState> = new Set([TaskState.RUNNING, TaskState.COMPLETE]);
const OWN = { nodeId: 'node1id', secret: new Uint8Array(32) };

function readyNode(hostname: string): Pick<Node, 'description' | 'status'> {
  return {
    description: NodeDescription.create({
      hostname,
      platform: { architecture: 'amd64', os: 'linux' },
      resources: { nanoCpus: 2e9, memoryBytes: 4 << 28, generic: [] },
      engine: { ...NodeDescription.create().engine, version: '0.1.0', networkDrivers: ['overlay'] },
    }),
    status: NodeStatus.create({ state: NodeState.READY, address: '203.0.113.1', since: systemClock.now() }),
  };
}
