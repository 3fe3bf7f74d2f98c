import { randomBytes } from 'node:crypto';
import path from 'node:path';
import type { Clock } from '../lib/clock.js';
import type { Logger } from '../lib/log.js';
import { ControlService, DispatcherService, JoinService, LogBrokerService } from '../proto/gen/index.js';
import type { CallContext, Handlers, RpcServer } from '../proto/rpc/server.js';
import { Allocator } from './allocator/allocator.js';
import { type BootstrapOptions, bootstrapSwarm, DEFAULT_SNAPSHOT_INTERVAL } from './bootstrap.js';
import { controlHandlers } from './control/handlers.js';
import { Dispatcher } from './dispatcher/dispatcher.js';
import { authenticate } from './join/authenticate.js';
import { joinHandlers } from './join/handlers.js';
import { LogBroker } from './logbroker/broker.js';
import { LogReader } from './logbroker/reader.js';
import { Orchestrator } from './orchestrator/orchestrator.js';
import { TaskReaper } from './orchestrator/reaper.js';
import { Scheduler } from './scheduler/scheduler.js';
import { LocalLog } from './store/local-log.js';
import { MemoryStore } from './store/memory-store.js';
import type { Store } from './store/store.js';
import { type Loop, supervise } from './supervise.js';

export interface ManagerOptions {
  /** The daemon's data root; the manager's log is in `manager/` below it. */
  readonly dataRoot: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly nodeId: string;
  /** host:port that this manager advertises to nodes. */
  readonly address: string;
  /** Called when the disk fails so that going on would lose data. Must end the process; aborts it when left out. */
  readonly onFatal?: (error: unknown) => void;
}

/** What the first node has to keep, and to tell the operator. */
export interface BootstrapResult {
  readonly clusterId: string;
  /** 32 bytes by which the node proves itself. */
  readonly credential: Uint8Array;
  readonly workerToken: string;
  readonly managerToken: string;
  readonly dataPathPort: number;
}

/** All that runs on a manager: the store, the control loops, and the answers to operators and nodes. */
export class Manager {
  readonly #options: ManagerOptions;
  readonly #store: MemoryStore;
  readonly #broker: LogBroker;
  readonly #dispatcher: Dispatcher;
  readonly #stopping = new AbortController();
  #loops: Promise<unknown> = Promise.resolve();

  /** The handlers of Control, for a server that adds conditions of its own. */
  readonly control: Handlers<typeof ControlService>;

  constructor(options: ManagerOptions) {
    const { clock, log } = options;
    this.#options = options;
    this.#store = openStore(options);
    const store = this.#store;
    const authenticated = (context: CallContext) => authenticate(store, context);
    this.#broker = new LogBroker({ store, clock, authenticate: authenticated });
    this.#dispatcher = new Dispatcher({ store, clock, log: part(log, 'dispatcher'), authenticate: authenticated });
    this.control = controlHandlers(store, { clock, logs: new LogReader(store, this.#broker) });
  }

  /**
   * Makes a new swarm in an empty data root and closes it again; `start` a Manager on it then.
   * @throws ALREADY_EXISTS when there is one already
   */
  static async bootstrap(
    options: ManagerOptions,
    init: Omit<BootstrapOptions, 'nodeId' | 'address' | 'credential'>,
  ): Promise<BootstrapResult> {
    const store = openStore(options);
    const { nodeId, address, clock } = options;
    const credential = randomBytes(32);
    await store.start();
    try {
      const cluster = await bootstrapSwarm(store, { ...init, nodeId, address, credential }, clock.now());
      return {
        clusterId: cluster.id,
        credential,
        workerToken: cluster.joinTokens.worker,
        managerToken: cluster.joinTokens.manager,
        dataPathPort: cluster.dataPathPort,
      };
    } finally {
      await store.stop();
    }
  }

  /** The replicated state, for reading. */
  get store(): Store {
    return this.#store;
  }

  /** Restores the state and starts the loops. @throws INTERNAL when the log is damaged, with file and offset */
  async start(): Promise<void> {
    const { clock, log } = this.#options;
    await this.#store.start();
    this.#store.view().cluster();
    await this.#announce();
    const common = { store: this.#store, clock };
    const loops: Readonly<Record<string, Loop>> = {
      allocator: new Allocator({ ...common, log: part(log, 'allocator') }),
      scheduler: new Scheduler({ ...common, log: part(log, 'scheduler') }),
      orchestrator: new Orchestrator({ ...common, log: part(log, 'orchestrator') }),
      reaper: new TaskReaper({ ...common, log: part(log, 'reaper') }),
      dispatcher: this.#dispatcher,
      logbroker: this.#broker,
    };
    const { signal } = this.#stopping;
    this.#loops = Promise.all(
      Object.entries(loops).map(([name, loop]) => supervise(name, loop, { clock, log: part(log, name), signal })),
    );
  }

  /** Ends the loops, finishes the running transaction, closes the log. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loops;
    await this.#store.stop();
  }

  /** What the local socket offers to operators. */
  registerLocal(server: RpcServer): void {
    server.add(ControlService, this.control);
  }

  /** What other machines are offered. */
  registerRemote(server: RpcServer): void {
    const { clock, log } = this.#options;
    server.add(DispatcherService, this.#dispatcher.handlers);
    server.add(JoinService, joinHandlers({ store: this.#store, clock, log: part(log, 'join') }));
    server.add(LogBrokerService, this.#broker.handlers());
  }

  /** The address at which nodes find this manager can have changed since it ran last. */
  async #announce(): Promise<void> {
    const { nodeId, address } = this.#options;
    await this.#store.update((draft) => {
      const node = draft.get('node', nodeId);
      if (!node?.managerStatus) return;
      draft.update('node', {
        ...node,
        managerStatus: { ...node.managerStatus, address, leader: true, reachable: true },
      });
    });
  }
}

const part = (log: Logger, name: string): Logger => log.child({ part: name });

function openStore({ dataRoot, log, clock, onFatal }: ManagerOptions): MemoryStore {
  const proposer = new LocalLog({
    folder: path.join(dataRoot, 'manager'),
    log: part(log, 'log'),
    snapshotInterval: () => snapshotInterval(store),
    ...(onFatal ? { onFatal } : {}),
  });
  const store = new MemoryStore({ proposer, clock, log: part(log, 'store') });
  return store;
}

/** What the cluster's spec says. A swarm that is being made has no cluster object yet. */
function snapshotInterval(store: Store): number {
  for (const cluster of store.view().list('cluster')) return cluster.spec.raft.snapshotInterval;
  return DEFAULT_SNAPSHOT_INTERVAL;
}
