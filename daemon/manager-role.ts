import type { Clock } from '../lib/clock.js';
import { codeOf, failedPrecondition, messageOf } from '../lib/errors.js';
import { newId } from '../lib/ids.js';
import type { Logger } from '../lib/log.js';
import { Manager } from '../manager/manager.js';
import type { ControlService, InfoResponse, InitRequest, NodeDescription } from '../proto/gen/index.js';
import { type Handlers, RpcServer } from '../proto/rpc/server.js';

export interface ManagerRoleOptions {
  readonly dataRoot: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeId: string;
  /** host:port at which other nodes reach it. */
  readonly advertiseAddress: string;
  /** host:port that it listens on. */
  readonly listenAddress: string;
  onBroken(error: unknown): void;
}

/** What a new swarm's first node has to remember and to tell. */
export interface NewSwarm {
  readonly role: ManagerRole;
  readonly nodeId: string;
  readonly clusterId: string;
  readonly credential: Uint8Array;
  readonly dataPathPort: number;
  readonly workerToken: string;
  readonly managerToken: string;
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
    options: Omit<ManagerRoleOptions, 'nodeId'>,
    request: InitRequest,
    node: { readonly description: NodeDescription; readonly dataPathAddress: string },
  ): Promise<NewSwarm> {
    // The port first: it is what is refused most often, and nothing is on disk yet.
    const server = await listen(options);
    try {
      const nodeId = newId();
      const swarm = await Manager.bootstrap(managerOptions({ ...options, nodeId }), {
        ...node,
        dataPathPort: request.dataPathPort,
        defaultAddressPools: request.defaultAddressPools,
        subnetSize: request.subnetSize,
        availability: request.availability,
        spec: request.spec,
      });
      return { ...swarm, nodeId, role: await ManagerRole.#start({ ...options, nodeId }, server) };
    } catch (error) {
      server.close();
      throw error;
    }
  }

  /** Manages the swarm that is in the data root. */
  static async resume(options: ManagerRoleOptions): Promise<ManagerRole> {
    const server = await listen(options);
    try {
      return await ManagerRole.#start(options, server);
    } catch (error) {
      server.close();
      throw error;
    }
  }

  static async #start(options: ManagerRoleOptions, server: RpcServer): Promise<ManagerRole> {
    const manager = new Manager(managerOptions(options));
    await manager.start();
    manager.registerRemote(server);
    return new ManagerRole(manager, server);
  }

  get control(): Handlers<typeof ControlService> {
    return this.#manager.control;
  }

  /** What only managers know, for `info`. */
  summary(): Partial<InfoResponse> {
    const view = this.#manager.store.view();
    const { defaultAddressPools, subnetSize } = view.cluster();
    const nodes = [...view.list('node')];
    return {
      nodes: nodes.length,
      managerCount: nodes.filter((node) => node.managerStatus !== undefined).length,
      defaultAddressPools,
      subnetSize,
    };
  }

  async stop(): Promise<void> {
    this.#server.close();
    await this.#manager.stop();
  }
}

async function listen({ listenAddress, log }: Omit<ManagerRoleOptions, 'nodeId'>): Promise<RpcServer> {
  const server = new RpcServer(log.child({ part: 'rpc' }));
  try {
    await server.listen(listenAddress);
    return server;
  } catch (error) {
    server.close();
    if (codeOf(error) !== 'UNAVAILABLE') throw error;
    throw failedPrecondition(`cannot listen on ${listenAddress}: ${reason(messageOf(error))}`, {
      value: listenAddress,
      hint: `"ss -ltnp" shows what listens on this machine; --listen-addr chooses another address or port.`,
      cause: error,
    });
  }
}

function managerOptions({ dataRoot, clock, log, nodeId, advertiseAddress, onBroken }: ManagerRoleOptions) {
  return { dataRoot, clock, log: log.child({ part: 'manager' }), nodeId, address: advertiseAddress, onFatal: onBroken };
}

/** gRPC's words for a port that cannot be bound hold the system's, which say it best. */
function reason(text: string): string {
  if (text.includes('EADDRINUSE')) return 'another program uses that port';
  if (text.includes('EADDRNOTAVAIL')) return 'it is not an address of this machine';
  if (text.includes('EACCES')) return 'this port needs more privileges';
  return text;
}
