import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { Serial } from '../lib/async.js';
import type { Clock } from '../lib/clock.js';
import { failedPrecondition, messageOf, textOf, unavailable } from '../lib/errors.js';
import { newId } from '../lib/ids.js';
import type { Logger } from '../lib/log.js';
import {
  type ControlService,
  InfoResponse,
  type InitRequest,
  type InitResponse,
  type InspectionsService,
  type JoinSwarmRequest,
  type JoinSwarmResponse,
  type NodeDescription,
  NodeRole,
  SwarmState,
  type TaskAccessService,
} from '../proto/gen/index.js';
import type { Handlers } from '../proto/rpc/server.js';
import type { Engine } from '../worker/engine.js';
import type { OciImageStore } from '../worker/executor/oci/index.js';
import type { Inspector } from '../worker/inspections/inspector.js';
import { Worker } from '../worker/worker.js';
import { CONTROL_PORT, parseHostPort } from './addresses.js';
import type { ControlSource } from './control-gate.js';
import { removeDurably } from './files.js';
import { joinSwarm } from './join.js';
import { readMachine } from './machine.js';
import { Managing } from './managing.js';
import type { DaemonOptions } from './options.js';
import { advertised, listenAddressOf, placeOf } from './place.js';
import { readdress } from './readdress.js';
import { askForPlace, resign, stillNeeded, tellManagers } from './resign.js';
import { RoleFollower } from './role-follower.js';
import { Running } from './running.js';
import { credentialOf, type NodeState, NodeStateFile } from './state.js';

export interface SwarmNodeOptions {
  readonly daemon: DaemonOptions;
  /** Of tsswarmd. */
  readonly version: string;
  readonly description: NodeDescription;
  readonly images: OciImageStore;
  /** It outlasts the node's place in a swarm. */
  readonly engine: Engine;
  /** Answers what is asked of this node. */
  readonly inspector: Inspector;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when a part that must run has broken: the process is of no use any more. */
  onBroken(error: unknown): void;
}

const CREDENTIAL_BYTES = 32;
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
  readonly #managing: Managing;
  readonly #serial = new Serial();
  readonly #stopping = new AbortController();
  #state: NodeState | undefined;
  #worker: Running<Worker> | undefined;
  #roles: RoleFollower | undefined;
  /** Why managers do not take this node for theirs: it was removed, or another machine is this node. */
  #refused: string | undefined;

  private constructor(options: SwarmNodeOptions) {
    this.options = options;
    const { daemon, clock, log, onBroken } = options;
    this.#file = new NodeStateFile(daemon.dataRoot);
    this.#managing = new Managing({ dataRoot: daemon.dataRoot, file: this.#file, clock, log, onBroken });
  }

  /** Goes on where the last daemon of this data root was. */
  static async open(options: SwarmNodeOptions): Promise<SwarmNode> {
    const node = new SwarmNode(options);
    const state = await node.#file.load();
    if (state) {
      const now = await node.#readdressed(state);
      if (now.role === 'manager') await node.#managing.resume(now);
      node.#enter(now);
    } else {
      for (const { subject, message } of node.#file.remains()) options.log.error({}, `${subject}: ${message}`);
      // It fails only with the engine, whose own end tells why.
      options.engine.setSwarm(undefined).catch(() => undefined);
    }
    return node;
  }

  get joined(): boolean {
    return this.#state !== undefined;
  }

  get inspections(): Handlers<typeof InspectionsService> | undefined {
    return this.#managing.role?.inspections;
  }

  get taskAccess(): Handlers<typeof TaskAccessService> | undefined {
    return this.#managing.role?.taskAccess;
  }

  /** What it does in its swarm, for who measures it. */
  get roles() {
    return { worker: this.#worker?.part, manager: this.#managing.role };
  }

  /** Empty outside of a swarm. */
  get nodeId(): string {
    return this.#state?.nodeId ?? '';
  }

  get description(): NodeDescription {
    return this.#worker?.part.description ?? this.options.description;
  }

  get control(): Handlers<typeof ControlService> | undefined {
    return this.#managing.role?.control;
  }

  init(request: InitRequest): Promise<InitResponse> {
    return this.#serial.run(() => this.#init(request));
  }

  async join(request: JoinSwarmRequest): Promise<JoinSwarmResponse> {
    const answer = await this.#serial.run(() => this.#join(request));
    if (answer.role === NodeRole.MANAGER) await this.#untilManager();
    return answer;
  }

  leave(force: boolean): Promise<void> {
    return this.#serial.run(() => this.#leave(force));
  }

  /** What is known here of the swarm, and of what runs on this machine; other fields are left at their defaults. */
  info(): InfoResponse {
    const state = this.#state;
    const { engine } = this.options;
    const { running, total } = engine.counts();
    const machine = { containersRunning: running, containersTotal: total, problems: engine.problems() };
    if (!state) return InfoResponse.create({ ...machine, problems: [...machine.problems, ...this.#file.remains()] });
    const worker = this.#worker?.part;
    return InfoResponse.create({
      ...machine,
      problems: [...machine.problems, ...(worker?.unallocated ?? [])],
      state: this.#refused ? SwarmState.ERROR : worker?.connected ? SwarmState.ACTIVE : SwarmState.PENDING,
      error: (this.#refused ?? this.#roles?.error) || this.#managing.role?.trouble || (worker?.trouble ?? ''),
      nodeId: state.nodeId,
      clusterId: state.clusterId,
      role: state.role === 'manager' ? NodeRole.MANAGER : NodeRole.WORKER,
      controlAvailable: this.#managing.role !== undefined,
      advertiseAddress: state.advertiseAddress,
      dataPathAddress: state.dataPathAddress,
      dataPathPort: state.dataPathPort,
      managers: state.managers,
      ...this.#managing.role?.summary(),
    });
  }

  /** Ends the roles, for good. Containers and network go on. */
  async stop(): Promise<void> {
    this.#stopping.abort(unavailable('tsswarmd is stopping'));
    await this.#serial.run(async () => {
      await this.#worker?.stop();
      await this.#managing.stop();
    });
  }

  async #init(request: InitRequest): Promise<InitResponse> {
    if (request.forceNewCluster) return this.#rebuild(request);
    this.#refuseMember();
    const place = placeOf(request);
    await this.#forget();
    const own = { nodeId: newId(), credential: randomBytes(CREDENTIAL_BYTES).toString('hex') };
    const node = { description: this.options.description, dataPathAddress: place.dataPathAddress };
    const { state, swarm } = await this.#managing.create(
      { ...place, ...own, role: 'manager', managers: [place.advertiseAddress] },
      request,
      node,
    );
    this.#enter(state);
    const { workerToken, managerToken } = swarm;
    await this.#untilConnected();
    return { nodeId: state.nodeId, workerToken, managerToken, advertiseAddress: place.advertiseAddress };
  }

  /** A swarm of this manager alone, from what it has: the way back when the quorum is lost for good. */
  async #rebuild(request: InitRequest): Promise<InitResponse> {
    const before = this.#state;
    if (!before?.manager) {
      throw failedPrecondition('this node is not a manager: it has no state from which a new cluster could be made', {
        value: '--force-new-cluster',
        hint: 'Run it on a manager that is left of the swarm.',
      });
    }
    const listenAddress = request.listenAddress === '' ? before.listenAddress : listenAddressOf(request.listenAddress);
    const { port } = parseHostPort(listenAddress, CONTROL_PORT);
    const { advertiseAddress: advertise, dataPathAddress: data } = request;
    const moves = advertise !== '' || data !== '';
    const place = moves ? advertised(advertise || before.advertiseAddress, data, port) : {};
    const moved = { ...before, ...place, listenAddress };
    const state = await this.#managing.rebuild(before, { ...moved, managers: [moved.advertiseAddress] });
    await this.#worker?.stop();
    this.#enter(state);
    await this.#untilConnected();
    const { worker: workerToken = '', manager: managerToken = '' } = this.#managing.role?.tokens() ?? {};
    return { nodeId: state.nodeId, workerToken, managerToken, advertiseAddress: state.advertiseAddress };
  }

  async #join(request: JoinSwarmRequest): Promise<JoinSwarmResponse> {
    this.#refuseMember();
    const place = placeOf(request);
    await this.#forget();
    const { description, log } = this.options;
    const own = { nodeId: newId(), credential: randomBytes(CREDENTIAL_BYTES) };
    const answer = await joinSwarm({ request, ...place, ...own, description, log, signal: this.#stopping.signal });
    const { nodeId, clusterId, dataPathPort, managers } = answer;
    const credential = Buffer.from(answer.credential).toString('hex');
    // A manager begins as a worker too: its role comes with the first word of its node's.
    const state: NodeState = { ...place, nodeId, credential, role: 'worker', clusterId, dataPathPort, managers };
    try {
      await this.#file.save(state);
    } catch (error) {
      await tellManagers(state, credentialOf(state), log);
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
    // The node itself goes on where the other machine is.
    if (!this.#refused) await this.#resign(state, force);
    await worker.stop();
    await worker.part.leave().catch((error) => {
      // It stays the node that it was. Managers that have let it go tell it so, and it can leave again.
      this.#enter(state);
      throw error;
    });
    await this.#managing.stop();
    await this.#file.remove();
    await this.#forget();
    this.#state = undefined;
    this.#worker = undefined;
    this.#refused = undefined;
    this.options.log.info({ node: state.nodeId }, 'left the swarm');
  }

  /** @throws FAILED_PRECONDITION when the swarm needs this manager, unless forced */
  async #resign(state: NodeState, force: boolean): Promise<void> {
    const { log } = this.options;
    const manager = this.#managing.role;
    if (!manager) return tellManagers(state, credentialOf(state), log);
    const isLast = manager.summary().managerCount === 1;
    if (isLast && force) return;
    if (isLast) {
      throw failedPrecondition(
        'You are attempting to leave the swarm on a node that is participating as a manager. Removing the last manager erases all current state of the swarm. Use `--force` to ignore this message.',
      );
    }
    try {
      await manager.handOver();
      await resign([state.advertiseAddress, ...state.managers], credentialOf(state));
    } catch (error) {
      if (!force) throw stillNeeded(error);
      log.warn({ err: error }, `leaving although the other managers do not let it go: ${messageOf(error)}`);
    }
  }

  async #takeRole(role: 'manager' | 'worker'): Promise<void> {
    const state = this.#state;
    if (!state || state.role === role) return;
    const { advertiseAddress, managers } = state;
    const { signal } = this.#stopping;
    this.#state =
      role === 'worker'
        ? await this.#managing.quit(state)
        : await this.#managing.become(state, () =>
            askForPlace(managers, credentialOf(state), advertiseAddress, signal),
          );
    this.options.log.info({ node: state.nodeId, role }, 'this node has another role now');
  }

  async #readdressed(state: NodeState): Promise<NodeState> {
    const now = readdress(state, readMachine());
    if (now === state) return state;
    const { advertiseAddress } = now;
    this.options.log.warn(
      { before: state.advertiseAddress, now: advertiseAddress },
      'the address of this node has changed',
    );
    await this.#file.save(now);
    return now;
  }

  #refuseMember(): void {
    if (!this.#state) return;
    throw failedPrecondition(
      'This node is already part of a swarm. Use "tsswarm leave" to leave this swarm and join another one.',
    );
  }

  /** Removes what only a member needs: what of it is there now, an init, join or leave that broke off has left. */
  async #forget(): Promise<void> {
    await this.#managing.forget();
    await removeDurably(path.join(this.options.daemon.dataRoot, 'worker'));
  }

  /** Begins to be the node that the state describes. */
  #enter(state: NodeState): void {
    const { daemon, version, engine, inspector, clock, log, onBroken } = this.options;
    this.#state = state;
    const take = (role: 'manager' | 'worker') => this.#takeRole(role);
    this.#roles?.end();
    const roles = new RoleFollower({ take, serial: this.#serial, clock, log, signal: this.#stopping.signal });
    this.#roles = roles;
    const worker = new Worker({
      ...daemon,
      version,
      engine,
      inspector,
      nodeId: state.nodeId,
      credential: credentialOf(state),
      managers: state.managers,
      dataPathAddress: state.dataPathAddress,
      dataPathPort: state.dataPathPort,
      log: log.child({ part: 'worker' }),
      clock,
      onManagers: (managers) => this.#remember(managers),
      // A manager of another swarm, at an address that was one of ours, may have said otherwise before.
      onNode: (node) => {
        this.#refused = undefined;
        roles.see(node);
      },
      onRemoved: () => this.#refuse('the swarm does not know this node any more: "tsswarm leave" lets it go'),
      onTwin: (error) => this.#refuse(textOf(error)),
    });
    this.#worker = new Running(worker, onBroken);
  }

  #refuse(why: string): void {
    if (this.#refused === why) return;
    this.#refused = why;
    this.options.log.error({ node: this.nodeId }, why);
  }

  /** So that who has made or joined a swarm finds the node at work. @throws UNAVAILABLE when it takes too long, or the daemon stops */
  async #untilConnected(): Promise<void> {
    const { clock } = this.options;
    const deadline = clock.monotonic() + CONNECT_TIMEOUT;
    while (!this.#worker?.part.connected) {
      if (clock.monotonic() > deadline) {
        throw unavailable('Timeout was reached before node joined.', {
          hint: 'The attempt to join the swarm will continue in the background. Use the "tsswarm info" command to see the current swarm status of your node.',
        });
      }
      await clock.sleep(CONNECT_POLL, this.#stopping.signal);
    }
  }

  /** So that a manager that has joined can be asked. Not in the way of the role that is waited for. @throws UNAVAILABLE likewise */
  async #untilManager(): Promise<void> {
    const { clock } = this.options;
    const deadline = clock.monotonic() + CONNECT_TIMEOUT;
    while (!this.#managing.role?.settled) {
      if (clock.monotonic() > deadline) {
        throw unavailable('this node has joined, but is not a manager yet', {
          hint: this.#roles?.error || 'It goes on trying: "tsswarm node ls" on another manager shows when it is.',
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
}
