import type { Clock } from '../../lib/clock.js';
import { failedPrecondition, messageOf, SwarmError } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import {
  type BecomeManagerRequest,
  BecomeManagerResponse,
  ManagerStatus,
  type Node,
  NodeRole,
} from '../../proto/gen/index.js';
import { type ManagerIdentity, newRaftId } from '../identity.js';
import type { ManagerRoster } from '../join/handlers.js';
import type { Group } from '../raft/member/group.js';
import type { ReadView, Store } from '../store/store.js';
import { whyNeeded } from './quorum.js';

export interface RosterOptions {
  readonly store: Store;
  readonly group: () => Group;
  readonly identity: Pick<ManagerIdentity, 'group' | 'secret'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Milliseconds in which a manager must be out of the group. */
const DISMISSAL_TIMEOUT = 15_000;
/** Milliseconds in which managers that live have answered a new leader. */
const ANSWER_TIMEOUT = 2_000;
const POLL = 20;

/** Who may become a manager, and who may cease to be one. What follows is the role keeper's work. */
export class Roster implements ManagerRoster {
  readonly #options: RosterOptions;

  constructor(options: RosterOptions) {
    this.#options = options;
  }

  /**
   * Each time a node asks it is a new member with an empty log: the one that it was before is void from
   * then on, and the role keeper takes it out.
   */
  async admit({ id }: Node, { address }: BecomeManagerRequest): Promise<BecomeManagerResponse> {
    const { store, group, identity, log } = this.#options;
    const raftId = newRaftId();
    await store.update((draft) => {
      const node = draft.get('node', id);
      if (node?.role !== NodeRole.MANAGER || node.spec.desiredRole !== NodeRole.MANAGER) {
        throw failedPrecondition(`node ${node ? nameOf(node) : id} is not to be a manager`, { value: id });
      }
      draft.update('node', { ...node, managerStatus: ManagerStatus.create({ raftId, address }) });
    });
    log.info({ node: id, raftId, address }, 'a node becomes a manager');
    const peers = group()
      .members()
      .flatMap((member) => (member.address === undefined ? [] : [{ raftId: member.raftId, address: member.address }]));
    return BecomeManagerResponse.create({ raftId, group: identity.group, managerSecret: identity.secret, peers });
  }

  /** A new leader does not know yet who answers: resolves when it does. @throws the signal's reason when aborted before */
  async informed(signal: AbortSignal): Promise<void> {
    const { group, clock } = this.#options;
    const deadline = clock.monotonic() + ANSWER_TIMEOUT;
    const isOpen = () =>
      group()
        .members()
        .some(({ reachable, answered }) => reachable && !answered);
    while (isOpen() && clock.monotonic() < deadline) await clock.sleep(POLL, signal);
  }

  /**
   * Counts those who are to go already as gone: two at once could leave too few.
   * @throws FAILED_PRECONDITION with the reason why this manager is needed
   */
  checkDismissal(view: ReadView, node: Node): void {
    const raftId = node.managerStatus?.raftId;
    if (raftId === undefined) return;
    const going = new Set<number>();
    for (const other of view.list('node')) {
      if (other.id !== node.id && other.managerStatus && other.spec.desiredRole !== NodeRole.MANAGER) {
        going.add(other.managerStatus.raftId);
      }
    }
    const staying = this.#options
      .group()
      .members()
      .filter((member) => !going.has(member.raftId));
    const why = whyNeeded(staying, raftId);
    if (why === undefined) return;
    throw failedPrecondition(`node ${nameOf(node)} cannot cease to be a manager: ${why}`, {
      value: nameOf(node),
      hint: /last manager/.test(why)
        ? 'Promote another node first ("tsswarm node promote NODE"), or give the swarm up with "tsswarm leave --force" there.'
        : 'Bring the missing managers back, or promote other nodes, first.',
    });
  }

  async dismiss(nodeId: string, signal: AbortSignal): Promise<void> {
    const { store } = this.#options;
    await this.informed(signal);
    await store.update((draft) => {
      const node = draft.get('node', nodeId);
      if (!node || node.spec.desiredRole !== NodeRole.MANAGER) return;
      this.checkDismissal(draft, node);
      draft.update('node', { ...node, spec: { ...node.spec, desiredRole: NodeRole.WORKER } });
    });
    try {
      await this.#untilWorker(nodeId, signal);
    } catch (error) {
      await this.#keep(nodeId);
      throw error;
    }
  }

  /** Who was told that it could not go must not be let go later. */
  async #keep(nodeId: string): Promise<void> {
    const { store, log } = this.#options;
    try {
      await store.update((draft) => {
        const node = draft.get('node', nodeId);
        if (node?.role !== NodeRole.MANAGER) return;
        draft.update('node', { ...node, spec: { ...node.spec, desiredRole: NodeRole.MANAGER } });
      });
    } catch (error) {
      log.warn({ node: nodeId, err: error }, `a manager that could not go may still be let go: ${messageOf(error)}`);
    }
  }

  async #untilWorker(nodeId: string, signal: AbortSignal): Promise<void> {
    const { store, clock, log } = this.#options;
    const ended = new AbortController();
    const cancel = clock.after(DISMISSAL_TIMEOUT, () => ended.abort());
    const until = AbortSignal.any([signal, ended.signal]);
    try {
      const watch = store.watch(until, ['node']);
      const isManager = (view: ReadView) => view.get('node', nodeId)?.role === NodeRole.MANAGER;
      if (!isManager(watch.snapshot)) return;
      for await (const _ of watch.commits) if (!isManager(store.view())) return;
    } finally {
      cancel();
      ended.abort();
    }
    log.warn({ node: nodeId }, 'a manager that is to go is still in the group');
    throw new SwarmError('DEADLINE_EXCEEDED', 'the other managers have not let it go in time, and it stays', {
      hint: '"tsswarm node ls" shows which managers are unreachable.',
    });
  }
}

function nameOf({ description, id }: Node): string {
  return description.hostname || id;
}
