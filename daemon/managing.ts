import path from 'node:path';
import type { Clock } from '../lib/clock.js';
import { internal } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import { type ManagerIdentity, newGroup } from '../manager/identity.js';
import type { BootstrapResult } from '../manager/manager.js';
import type { InitRequest, NodeDescription } from '../proto/gen/index.js';
import { removeDurably } from './files.js';
import { readIdentity, storeIdentity } from './identity-file.js';
import type { ManagerRole, ManagerRoleOptions } from './manager-role.js';
import type { NodeState, NodeStateFile } from './state.js';

export interface ManagingOptions {
  readonly dataRoot: string;
  readonly file: NodeStateFile;
  readonly clock: Clock;
  readonly log: Logger;
  onBroken(error: unknown): void;
}

/** A state before the swarm is made that it will be of. */
type NewState = Omit<NodeState, 'clusterId' | 'dataPathPort'>;

/**
 * The manager of this machine, while it has one. What begins or ends it is durable in the state file
 * when it is done: each method gives the state that was saved. Calls must not overlap.
 */
export class Managing {
  readonly #options: ManagingOptions;
  #role: ManagerRole | undefined;

  constructor(options: ManagingOptions) {
    this.#options = options;
  }

  get role(): ManagerRole | undefined {
    return this.#role;
  }

  /** Makes a new swarm. @throws as ManagerRole.create, and leaves nothing then */
  async create(
    state: NewState,
    request: InitRequest,
    node: { readonly description: NodeDescription; readonly dataPathAddress: string },
  ): Promise<{ readonly state: NodeState; readonly swarm: BootstrapResult }> {
    const identity = newGroup();
    const { role, swarm } = await (await roleClass()).create(this.#roleOptions(state, identity), request, node);
    const { clusterId, dataPathPort } = swarm;
    const next: NodeState = { ...state, clusterId, dataPathPort, role: 'manager', manager: storeIdentity(identity) };
    await this.#saveOrForget(next, role);
    return { state: next, swarm };
  }

  /** Goes on as the manager that the state describes. */
  async resume(state: NodeState): Promise<void> {
    this.#role = await (await roleClass()).resume(this.#roleOptions(state, identityOf(state)));
  }

  /** Until the state is saved a restart finds a worker, which asks for a place anew. @param ask for a place in the group */
  async become(state: NodeState, ask: () => Promise<ManagerIdentity>): Promise<NodeState> {
    await this.forget();
    const { role, identity } = await (await roleClass()).join(this.#withoutIdentity(state), ask);
    const next: NodeState = { ...state, role: 'manager', manager: storeIdentity(identity) };
    await this.#saveOrForget(next, role);
    return next;
  }

  /** It is out of the group already: its log is of no use to anyone. */
  async quit(state: NodeState): Promise<NodeState> {
    const { manager: _, ...rest } = state;
    const next: NodeState = { ...rest, role: 'worker' };
    await this.#options.file.save(next);
    await this.stop();
    await this.forget();
    return next;
  }

  /** A group of this manager alone, from what it has. A crash on the way leaves the old group or the new one. */
  async rebuild(before: NodeState, state: NodeState): Promise<NodeState> {
    const { group, secret } = newGroup();
    const identity = { ...identityOf(before), group, secret, peers: [] };
    const next: NodeState = { ...state, manager: storeIdentity(identity) };
    await this.stop();
    try {
      this.#role = await (await roleClass()).rebuild(this.#roleOptions(next, identity));
      await this.#options.file.save(next);
      return next;
    } catch (error) {
      // The old manager, over what is on the disk now.
      if (!this.#role) await this.resume(before);
      throw error;
    }
  }

  async stop(): Promise<void> {
    const role = this.#role;
    this.#role = undefined;
    await role?.stop();
  }

  /** Removes log and snapshots. */
  forget(): Promise<void> {
    return removeDurably(path.join(this.#options.dataRoot, 'manager'));
  }

  async #saveOrForget(state: NodeState, role: ManagerRole): Promise<void> {
    try {
      await this.#options.file.save(state);
    } catch (error) {
      await role.stop();
      await this.forget();
      throw error;
    }
    this.#role = role;
  }

  #roleOptions(state: NewState, identity: ManagerIdentity): ManagerRoleOptions {
    return { ...this.#withoutIdentity(state), identity };
  }

  #withoutIdentity({ nodeId, credential, advertiseAddress, listenAddress }: NewState) {
    const { dataRoot, clock, log, onBroken } = this.#options;
    const nodeSecret = Buffer.from(credential, 'hex');
    return { dataRoot, clock, log, onBroken, nodeId, nodeSecret, advertiseAddress, listenAddress };
  }
}

function identityOf({ nodeId, manager }: NodeState): ManagerIdentity {
  if (!manager) throw internal(`node ${nodeId} has no place in the group of managers`);
  return readIdentity(manager);
}

/** Loaded when it is needed: a worker does without what only managers run. */
async function roleClass(): Promise<typeof ManagerRole> {
  return (await import('./manager-role.js')).ManagerRole;
}
