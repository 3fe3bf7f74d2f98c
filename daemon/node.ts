import path from 'node:path';
import { Serial } from '../lib/async.js';
import type { Clock } from '../lib/clock.js';
import { failedPrecondition, messageOf, SwarmError, unavailable } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import {
  type ControlService,
  InfoResponse,
  type InitRequest,
  type InitResponse,
  JoinService,
  type JoinSwarmRequest,
  type JoinSwarmResponse,
  type NodeDescription,
  NodeRole,
  SwarmState,
} from '../proto/gen/index.js';
import { Channel } from '../proto/rpc/client.js';
import type { NodeCredential } from '../proto/rpc/credentials.js';
import type { Handlers } from '../proto/rpc/server.js';
import type { OciImageStore } from '../worker/executor/oci/index.js';
import { Worker } from '../worker/worker.js';
import { CONTROL_PORT, chooseAddress, formatHostPort, parseHostPort } from './addresses.js';
import type { ControlSource } from './control-gate.js';
import { removeDurably } from './files.js';
import { joinSwarm } from './join.js';
import { readMachine } from './machine.js';
import { ManagerRole } from './manager-role.js';
import type { DaemonOptions } from './options.js';
import { Running } from './running.js';
import { type NodeState, NodeStateFile } from './state.js';

export interface SwarmNodeOptions {
  readonly daemon: DaemonOptions;
  /** Of tsswarmd. */
  readonly version: string;
  readonly description: NodeDescription;
  readonly images: OciImageStore;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when a part that must run has broken: the process is of no use any more. */
  onBroken(error: unknown): void;
}

const LEAVE_TIMEOUT = 5_000;
const CONNECT_TIMEOUT = 15_000;
const CONNECT_POLL = 10;

/**
 * This machine's place in a swarm, if it has one: the state on disk, and the roles that run because
 * of it. What changes it (init, join, leave) happens one at a time and wholly or not at all: the
 * state file is written when everything that can be refused has been granted, and its presence
 * alone decides what a restart finds.
 */
export class SwarmNode implements ControlSource {
  readonly options: SwarmNodeOptions;
  readonly #file: NodeStateFile;
  readonly #serial = new Serial();
  readonly #stopping = new AbortController();
  #state: NodeState | undefined;
  #manager: ManagerRole | undefined;
  #worker: Running<Worker> | undefined;
  /** Managers say that this node is none of theirs. */
  #removed = false;

  private constructor(options: SwarmNodeOptions) {
    this.options = options;
    this.#file = new NodeStateFile(options.daemon.dataRoot);
  }

  /** Goes on where the last daemon of this data root was. */
  static async open(options: SwarmNodeOptions): Promise<SwarmNode> {
    const node = new SwarmNode(options);
    const state = await node.#file.load();
    if (state) {
      if (state.role === 'manager') node.#manager = await ManagerRole.resume({ ...node.#managerOptions(), ...state });
      node.#enter(state);
    }
    return node;
  }

  get joined(): boolean {
    return this.#state !== undefined;
  }

  get description(): NodeDescription {
    return this.#worker?.part.description ?? this.options.description;
  }

  get control(): Handlers<typeof ControlService> | undefined {
    return this.#manager?.control;
  }

  init(request: InitRequest): Promise<InitResponse> {
    return this.#serial.run(() => this.#init(request));
  }

  join(request: JoinSwarmRequest): Promise<JoinSwarmResponse> {
    return this.#serial.run(() => this.#join(request));
  }

  leave(force: boolean): Promise<void> {
    return this.#serial.run(() => this.#leave(force));
  }

  /** What is known here of the swarm; fields about the machine are left at their defaults. */
  info(): InfoResponse {
    const state = this.#state;
    if (!state) return InfoResponse.create();
    const worker = this.#worker?.part;
    const containers = worker?.containers();
    return InfoResponse.create({
      state: this.#removed ? SwarmState.ERROR : worker?.connected ? SwarmState.ACTIVE : SwarmState.PENDING,
      error: this.#removed ? 'the swarm does not know this node any more: "tsswarm leave" lets it go' : '',
      nodeId: state.nodeId,
      clusterId: state.clusterId,
      role: state.role === 'manager' ? NodeRole.MANAGER : NodeRole.WORKER,
      controlAvailable: this.#manager !== undefined,
      advertiseAddress: state.advertiseAddress,
      dataPathAddress: state.dataPathAddress,
      dataPathPort: state.dataPathPort,
      managers: state.managers,
      containersRunning: containers?.running ?? 0,
      containersTotal: containers?.total ?? 0,
      problems: worker?.problems() ?? [],
      ...this.#manager?.summary(),
    });
  }

  /** Ends the roles, for good. Containers and network go on. */
  async stop(): Promise<void> {
    this.#stopping.abort(unavailable('tsswarmd is stopping'));
    await this.#serial.run(async () => {
      await this.#worker?.stop();
      await this.#manager?.stop();
    });
  }

  async #init(request: InitRequest): Promise<InitResponse> {
    if (request.forceNewCluster) {
      throw new SwarmError(
        'UNIMPLEMENTED',
        'a cluster cannot be made anew from the state of a lost one by this version',
        {
          value: '--force-new-cluster',
          hint: 'It has a single manager, which comes back with its state when tsswarmd starts.',
        },
      );
    }
    this.#refuseMember();
    const listen = parseHostPort(request.listenAddress || `0.0.0.0:${CONTROL_PORT}`, CONTROL_PORT);
    const place = this.#place(request.advertiseAddress, request.dataPathAddress, listen.port);
    await this.#forget();
    const listenAddress = formatHostPort(listen);
    const node = { description: this.options.description, dataPathAddress: place.dataPathAddress };
    const swarm = await ManagerRole.create({ ...this.#managerOptions(), ...place, listenAddress }, request, node);
    const state: NodeState = {
      ...place,
      nodeId: swarm.nodeId,
      credential: Buffer.from(swarm.credential).toString('hex'),
      role: 'manager',
      clusterId: swarm.clusterId,
      listenAddress,
      dataPathPort: swarm.dataPathPort,
      managers: [place.advertiseAddress],
    };
    try {
      await this.#file.save(state);
    } catch (error) {
      await swarm.role.stop();
      await this.#forget();
      throw error;
    }
    this.#manager = swarm.role;
    this.#enter(state);
    await this.#untilConnected();
    const { nodeId, workerToken, managerToken } = swarm;
    return { nodeId, workerToken, managerToken, advertiseAddress: place.advertiseAddress };
  }

  async #join(request: JoinSwarmRequest): Promise<JoinSwarmResponse> {
    this.#refuseMember();
    const listen = parseHostPort(request.listenAddress || `0.0.0.0:${CONTROL_PORT}`, CONTROL_PORT);
    const place = this.#place(request.advertiseAddress, request.dataPathAddress, listen.port);
    await this.#forget();
    const { description, log } = this.options;
    const answer = await joinSwarm({ request, ...place, description, log, signal: this.#stopping.signal });
    const state: NodeState = {
      ...place,
      nodeId: answer.nodeId,
      credential: Buffer.from(answer.credential).toString('hex'),
      role: 'worker',
      clusterId: answer.clusterId,
      listenAddress: formatHostPort(listen),
      dataPathPort: answer.dataPathPort,
      managers: answer.managers,
    };
    try {
      await this.#file.save(state);
    } catch (error) {
      await this.#tellManagers(state);
      throw error;
    }
    this.#enter(state);
    await this.#untilConnected();
    return { nodeId: state.nodeId, role: answer.role };
  }

  async #leave(force: boolean): Promise<void> {
    const state = this.#state;
    const worker = this.#worker;
    if (!state || !worker) throw failedPrecondition('This node is not part of a swarm');
    if (state.role === 'manager' && !force) {
      throw failedPrecondition(
        'You are attempting to leave the swarm on a node that is participating as a manager. Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message.',
      );
    }
    if (state.role === 'worker' && !this.#removed) await this.#tellManagers(state);
    await worker.stop();
    await worker.part.leave();
    await this.#manager?.stop();
    await this.#file.remove();
    await this.#forget();
    this.#state = undefined;
    this.#worker = undefined;
    this.#manager = undefined;
    this.#removed = false;
    this.options.log.info({ node: state.nodeId }, 'left the swarm');
  }

  #managerOptions() {
    const { daemon, clock, log, onBroken } = this.options;
    return { dataRoot: daemon.dataRoot, clock, log, onBroken };
  }

  #refuseMember(): void {
    if (!this.#state) return;
    throw failedPrecondition(
      'This node is already part of a swarm. Use "tsswarm leave" to leave this swarm and join another one.',
    );
  }

  #place(advertise: string, dataPath: string, port: number) {
    const machine = readMachine();
    const address = chooseAddress(advertise, port, machine, '--advertise-addr');
    const data = chooseAddress(dataPath || address.host, port, machine, '--data-path-addr');
    return { advertiseAddress: formatHostPort(address), dataPathAddress: data.host };
  }

  /** Removes what only a member needs: what of it is there now, an init, join or leave that broke off has left. */
  async #forget(): Promise<void> {
    for (const folder of ['manager', 'worker']) await removeDurably(path.join(this.options.daemon.dataRoot, folder));
  }

  /** Begins to be the node that the state describes. */
  #enter(state: NodeState): void {
    const { daemon, version, images, clock, log, onBroken } = this.options;
    this.#state = state;
    const worker = new Worker({
      ...daemon,
      version,
      images,
      nodeId: state.nodeId,
      credential: credentialOf(state),
      managers: state.managers,
      dataPathAddress: state.dataPathAddress,
      dataPathPort: state.dataPathPort,
      log: log.child({ part: 'worker' }),
      clock,
      onManagers: (managers) => this.#remember(managers),
      // A manager of another swarm, at an address that was one of ours, may have said otherwise before.
      onNode: () => {
        this.#removed = false;
      },
      onRemoved: () => {
        if (!this.#removed) log.error({ node: state.nodeId }, 'the swarm does not know this node any more');
        this.#removed = true;
      },
    });
    this.#worker = new Running(worker, onBroken);
  }

  /** So that who has made or joined a swarm finds the node at work. @throws UNAVAILABLE when it takes too long, or the daemon stops */
  async #untilConnected(): Promise<void> {
    const { clock } = this.options;
    const deadline = clock.now() + CONNECT_TIMEOUT;
    while (!this.#worker?.part.connected) {
      if (clock.now() > deadline) {
        throw unavailable('Timeout was reached before node joined.', {
          hint: 'The attempt to join the swarm will continue in the background. Use the "tsswarm info" command to see the current swarm status of your node.',
        });
      }
      await clock.sleep(CONNECT_POLL, this.#stopping.signal);
    }
  }

  #remember(managers: readonly string[]): void {
    this.#serial
      .run(async () => {
        if (!this.#state) return;
        this.#state = { ...this.#state, managers };
        await this.#file.save(this.#state);
      })
      .catch((error: unknown) =>
        this.options.log.error({ err: error }, `cannot save the managers: ${messageOf(error)}`),
      );
  }

  /** So that they count this node's tasks as gone at once. They find out without it too, only later. */
  async #tellManagers(state: NodeState): Promise<void> {
    for (const address of state.managers) {
      const channel = new Channel(address, credentialOf(state));
      try {
        await channel.stubs(JoinService).leaveSwarm({}, { timeout: LEAVE_TIMEOUT });
        return;
      } catch (error) {
        this.options.log.warn(
          { manager: address },
          `cannot tell the manager that this node leaves: ${messageOf(error)}`,
        );
      } finally {
        channel.close();
      }
    }
  }
}

function credentialOf(state: NodeState): NodeCredential {
  return { nodeId: state.nodeId, secret: Buffer.from(state.credential, 'hex') };
}
