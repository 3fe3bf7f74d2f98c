import { failedPrecondition } from '../../lib/errors.js';
import { newId } from '../../lib/ids.js';
import { Session } from './session.js';

/** The sessions of nodes with this manager: one of each. */
export class Sessions {
  readonly #byNode = new Map<string, Session>();

  get size(): number {
    return this.#byNode.size;
  }

  has(nodeId: string): boolean {
    return this.#byNode.has(nodeId);
  }

  get(nodeId: string): Session | undefined {
    return this.#byNode.get(nodeId);
  }

  /** @throws FAILED_PRECONDITION when it is not (any more) this node's */
  find(nodeId: string, id: string): Session {
    const session = this.#byNode.get(nodeId);
    if (session && session.id === id) return session;
    throw failedPrecondition(`session ${id} is not known: begin a new one`, { value: id });
  }

  /** Whether a session is what its node has now. */
  isCurrent(session: Session): boolean {
    return this.#byNode.get(session.nodeId) === session;
  }

  /** The node has none now. */
  begin(nodeId: string): Session {
    const session = new Session(newId(), nodeId);
    this.#byNode.set(nodeId, session);
    return session;
  }

  end(session: Session): void {
    session.end();
    if (this.isCurrent(session)) this.#byNode.delete(session.nodeId);
  }

  endAll(): void {
    for (const session of this.#byNode.values()) session.end();
    this.#byNode.clear();
  }

  /** Something that all nodes are told of has changed. */
  wakeAll(): void {
    for (const session of this.#byNode.values()) session.wake();
  }
}
