import { type Node, NodeRole } from '../../proto/gen/index.js';
import { ControlLoop, type LoopOptions, type Reaction } from '../common/loop.js';
import type { Group, GroupMember } from '../raft/member/group.js';
import { type Commit, isEvent, type Kind, type ReadView, type Store, type WriteView } from '../store/store.js';
import { whyNeeded } from './quorum.js';
import { withStatus } from './status.js';

export interface RoleKeeperOptions extends LoopOptions {
  readonly group: Group;
}

/** Milliseconds between two looks at the members: who answers shows in no commit. */
const PERIOD = 500;

/**
 * Brings the group of managers to what the nodes' specs ask for, and writes into the nodes what the
 * group is. A node that is to be a manager gets the role, asks for its place (BecomeManager), is added
 * as a learner, and gets a vote when it has caught up. One that is not to be it any more hands its
 * leadership over, is taken out of the group, and loses the role only then: until it is out, its vote
 * may be needed. Members that belong to no node are taken out.
 */
export class RoleKeeper implements Reaction {
  readonly kinds: readonly Kind[] = ['node'];
  readonly #options: RoleKeeperOptions;
  readonly #store: Store;
  readonly #group: Group;
  readonly #loop: ControlLoop;
  /** What is waited for, by node or member: logged once. */
  readonly #told = new Map<string, string>();
  /** Nodes that are managers, or are to be. */
  readonly #concerned = new Set<string>();

  constructor(options: RoleKeeperOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#group = options.group;
    this.#loop = new ControlLoop(options);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let cancel = () => {};
    const again = () => {
      this.#loop.wake();
      cancel = clock.after(PERIOD, again);
    };
    cancel = clock.after(PERIOD, again);
    try {
      await this.#loop.run(signal, this);
    } finally {
      cancel();
    }
  }

  start(view: ReadView): void {
    this.#concerned.clear();
    for (const node of view.list('node')) this.#seen(node);
  }

  observe({ events }: Commit): void {
    for (const event of events) {
      if (!isEvent(event, 'node')) continue;
      if (event.action === 'remove') this.#concerned.delete(event.object.id);
      else this.#seen(event.object);
    }
  }

  /** Of a thousand nodes a few: only they are looked at, twice a second. */
  #seen(node: Node): void {
    if (isManager(node) || node.role === NodeRole.MANAGER || node.managerStatus) this.#concerned.add(node.id);
    else this.#concerned.delete(node.id);
  }

  async act(): Promise<void> {
    await this.#writeStatuses();
    for (const node of this.#nodes()) if (wantsRole(node)) await this.#change(node.id, promoted);
    for (const node of this.#nodes()) if (losesRole(node)) await this.#demote(node);
    for (const member of this.#group.members()) await this.#settle(member);
    await this.#admit();
  }

  #nodes(): readonly Node[] {
    const view = this.#store.view();
    return [...this.#concerned].flatMap((id) => view.get('node', id) ?? []);
  }

  #ofMember(raftId: number): Node | undefined {
    return this.#nodes().find(({ managerStatus }) => managerStatus?.raftId === raftId);
  }

  async #writeStatuses(): Promise<void> {
    const members = new Map(this.#group.members().map((member) => [member.raftId, member]));
    const changed = this.#nodes().filter((node) => withStatus(node, members) !== node);
    if (changed.length === 0) return;
    await this.#store.update((draft) => {
      for (const { id } of changed) {
        const node = draft.get('node', id);
        if (node) draft.update('node', withStatus(node, members));
      }
    });
  }

  /** A member without a node is the log of a machine that has lost it, or that was removed by force. */
  async #settle({ raftId, voter, reachable, caughtUp }: GroupMember): Promise<void> {
    const node = this.#ofMember(raftId);
    if (!node) {
      await this.#remove(raftId, `member ${raftId.toString(16)}`);
    } else if (!voter && reachable && caughtUp && isManager(node)) {
      await this.#group.promote(raftId);
      this.#options.log.info({ node: node.id, hostname: node.description.hostname }, 'the manager has a vote now');
    }
  }

  /** One at a time: each change is in force before the next one is asked for. */
  async #admit(): Promise<void> {
    for (const { id, managerStatus, spec, role } of this.#nodes()) {
      if (!managerStatus || spec.desiredRole !== NodeRole.MANAGER || role !== NodeRole.MANAGER) continue;
      const { raftId } = managerStatus;
      if (this.#group.members().some((member) => member.raftId === raftId)) continue;
      await this.#group.addLearner(raftId);
      this.#options.log.info({ node: id, raftId }, 'a manager joins the group: it is sent the log');
    }
  }

  async #demote(node: Node): Promise<void> {
    const { managerStatus, id } = node;
    if (managerStatus && !(await this.#remove(managerStatus.raftId, id))) return;
    await this.#change(id, demoted);
    this.#options.log.info({ node: id, hostname: node.description.hostname }, 'the node is a worker now');
  }

  /** @returns whether it is out of the group */
  async #remove(raftId: number, name: string): Promise<boolean> {
    const members = this.#group.members();
    if (!members.some((member) => member.raftId === raftId)) return true;
    const why = whyNeeded(members, raftId);
    if (why !== undefined) return this.#wait(name, why);
    if (raftId === this.#group.self) {
      // The next leader does the rest; this one's loops end.
      await this.#group.transferLeadership();
      return false;
    }
    await this.#group.remove(raftId);
    this.#told.delete(name);
    return true;
  }

  #wait(name: string, why: string): false {
    if (this.#told.get(name) !== why) {
      this.#told.set(name, why);
      this.#options.log.warn({ node: name }, `it stays in the group of managers for now: ${why}`);
    }
    return false;
  }

  async #change(id: string, change: (node: Node) => Node): Promise<void> {
    await this.#store.update((draft: WriteView) => {
      const node = draft.get('node', id);
      if (node) draft.update('node', change(node));
    });
  }
}

const isManager = ({ spec }: Node) => spec.desiredRole === NodeRole.MANAGER;
const wantsRole = (node: Node) => isManager(node) && node.role !== NodeRole.MANAGER;
const losesRole = (node: Node) => !isManager(node) && node.role === NodeRole.MANAGER;

const promoted = (node: Node): Node => (wantsRole(node) ? { ...node, role: NodeRole.MANAGER } : node);
const demoted = (node: Node): Node =>
  losesRole(node) ? { ...node, role: NodeRole.WORKER, managerStatus: undefined } : node;
