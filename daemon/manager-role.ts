import type { Clock } from '../lib/clock.js';
import { codeOf, failedPrecondition } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import type { ManagerFigures } from '../manager/figures.js';
import { forceNewGroup } from '../manager/force-new-group.js';
import type { ManagerIdentity } from '../manager/identity.js';
import { type BootstrapResult, Manager, type ManagerOptions } from '../manager/manager.js';
import type {
  ControlService,
  InfoResponse,
  InitRequest,
  InspectionsService,
  NodeDescription,
  TaskAccessService,
} from '../proto/gen/index.js';
import { type Handlers, RpcServer } from '../proto/rpc/server.js';
import { whyNotThere } from './addresses.js';

export interface ManagerRoleOptions {
  readonly dataRoot: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeId: string;
  /** 32 bytes by which the node proves itself. */
  readonly nodeSecret: Uint8Array;
  readonly identity: ManagerIdentity;
  /** host:port at which other nodes reach it. */
  readonly advertiseAddress: string;
  /** host:port that it listens on. */
  readonly listenAddress: string;
  onBroken(error: unknown): void;
}

/** A manager at work, with the port at which other machines find it. */
export class ManagerRole {
  readonly #manager: Manager;
  readonly #server: RpcServer;

  private constructor(manager: Manager, server: RpcServer) {
    this.#manager = manager;
    this.#server = server;
  }

  /**
   * Makes a new swarm in a data root that holds none, and manages it.
   * @throws FAILED_PRECONDITION when the port is taken, INVALID_ARGUMENT for pools and ports that cannot be
   */
  static async create(
    options: ManagerRoleOptions,
    request: InitRequest,
    node: { readonly description: NodeDescription; readonly dataPathAddress: string },
  ): Promise<{ readonly role: ManagerRole; readonly swarm: BootstrapResult }> {
    let swarm: BootstrapResult | undefined;
    const role = await ManagerRole.#open(options, 'begin', await listen(options), async (manager) => {
      swarm = await manager.bootstrap({
        ...node,
        dataPathPort: request.dataPathPort,
        defaultAddressPools: request.defaultAddressPools,
        subnetSize: request.subnetSize,
        availability: request.availability,
        spec: request.spec,
      });
    });
    if (!swarm) throw new RangeError('a role that is open was not prepared');
    return { role, swarm };
  }

  /**
   * Takes part as a new member: the others send it the swarm's state.
   * @param ask for its place in the group
   * @throws FAILED_PRECONDITION when the port is taken; what `ask` throws
   */
  static async join(
    options: Omit<ManagerRoleOptions, 'identity'>,
    ask: () => Promise<ManagerIdentity>,
  ): Promise<{ readonly role: ManagerRole; readonly identity: ManagerIdentity }> {
    const server = await listen(options);
    let identity: ManagerIdentity;
    try {
      identity = await ask();
    } catch (error) {
      server.close();
      throw error;
    }
    return { role: await ManagerRole.#open({ ...options, identity }, 'wait', server), identity };
  }

  /** Manages the swarm that is in the data root. */
  static async resume(options: ManagerRoleOptions): Promise<ManagerRole> {
    return ManagerRole.#open(options, 'refuse', await listen(options));
  }

  /**
   * Makes a swarm of one manager from the state that is in the data root, and manages it.
   * @param options.identity of the new group
   */
  static async rebuild(options: ManagerRoleOptions): Promise<ManagerRole> {
    const { dataRoot, log, identity } = options;
    const server = await listen(options);
    try {
      await forceNewGroup({ dataRoot, log, identity });
    } catch (error) {
      server.close();
      throw error;
    }
    return ManagerRole.#open(options, 'refuse', server, (manager) => manager.reclaim());
  }

  /** @param server the port first: it is what is refused most often, and nothing is on disk yet */
  static async #open(
    options: ManagerRoleOptions,
    onEmptyLog: 'begin' | 'wait' | 'refuse',
    server: RpcServer,
    prepare: (manager: Manager) => Promise<unknown> = async () => {},
  ): Promise<ManagerRole> {
    const manager = new Manager({ ...managerOptions(options), onEmptyLog });
    try {
      manager.registerRemote(server);
      await prepare(manager);
      await manager.start();
      return new ManagerRole(manager, server);
    } catch (error) {
      server.close();
      await manager.stop();
      throw error;
    }
  }

  get control(): Handlers<typeof ControlService> {
    return this.#manager.control;
  }

  get inspections(): Handlers<typeof InspectionsService> {
    return this.#manager.inspections;
  }

  get taskAccess(): Handlers<typeof TaskAccessService> {
    return this.#manager.taskAccess;
  }

  /** Whether this manager has a vote, and somebody leads. */
  get settled(): boolean {
    return this.#manager.settled;
  }

  /** Why operators get no answers here, in words; undefined while somebody leads. */
  get trouble(): string | undefined {
    return this.#manager.trouble;
  }

  figures(): ManagerFigures {
    return this.#manager.figures();
  }

  /** What only managers know, for `info`. */
  summary(): Partial<InfoResponse> {
    const view = this.#manager.store.view();
    const [cluster] = view.list('cluster');
    if (!cluster) return {};
    const { defaultAddressPools, subnetSize, spec } = cluster;
    const nodes = [...view.list('node')];
    return {
      nodes: nodes.length,
      managerCount: nodes.filter((node) => node.managerStatus !== undefined).length,
      defaultAddressPools,
      subnetSize,
      spec,
    };
  }

  /** Tokens of the swarm. @throws FAILED_PRECONDITION before its state has come */
  tokens(): { readonly worker: string; readonly manager: string } {
    return this.#manager.store.view().cluster().joinTokens;
  }

  /** Lets another manager lead, if this one does. @throws UNAVAILABLE when nobody takes over */
  handOver(): Promise<void> {
    return this.#manager.handOver();
  }

  async stop(): Promise<void> {
    await this.#manager.stop();
    this.#server.close();
  }
}

async function listen({ listenAddress, log }: Pick<ManagerRoleOptions, 'listenAddress' | 'log'>): Promise<RpcServer> {
  const server = new RpcServer(log.child({ part: 'rpc' }));
  try {
    await server.listen(listenAddress);
    return server;
  } catch (error) {
    server.close();
    if (codeOf(error) !== 'UNAVAILABLE') throw error;
    throw failedPrecondition(`cannot listen on ${listenAddress}: ${whyNotThere(error)}`, {
      value: listenAddress,
      hint: `"ss -ltnp" shows what listens on this machine; --listen-addr chooses another address or port.`,
      cause: error,
    });
  }
}

function managerOptions({ advertiseAddress, log, onBroken, ...options }: ManagerRoleOptions): ManagerOptions {
  return { ...options, log: log.child({ part: 'manager' }), address: advertiseAddress, onFatal: onBroken };
}
