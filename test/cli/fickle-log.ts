import { type Deferred, deferred } from '../../lib/async.js';
import { SwarmError, unavailable } from '../../lib/errors.js';
import { kindOf } from '../../manager/store/codec.js';
import type { Standing } from '../../manager/store/proposer.js';
import type { Kind } from '../../manager/store/store.js';
import { VolatileLog } from '../../manager/store/volatile-log.js';
import { StoreTransaction } from '../../proto/gen/index.js';

/** What becomes of a proposal. @param apply makes the change */
type Fate = (apply: () => Promise<number>) => Promise<number>;

/** The change is made, but the manager loses its leadership before it can tell. */
export const madeUnknown: Fate = async (apply) => {
  await apply();
  throw unknown();
};

/** The manager loses its leadership, and the change with it. */
export const lostUnknown: Fate = async () => {
  throw unknown();
};

/** The same, while somebody else does something. */
export const lostWhile =
  (work: () => unknown): Fate =>
  async () => {
    work();
    throw unknown();
  };

const unknown = () => new SwarmError('UNKNOWN', 'this manager lost its leadership while the change was on its way');

/** A log whose manager loses its leadership when the test says so. */
export class FickleLog extends VolatileLog {
  /** Whether there are enough managers to decide anything. */
  hasQuorum = true;
  readonly #fates: { readonly kind: Kind; readonly fate: Fate }[] = [];

  /** The next proposals that change an object of this kind meet these fates, each one of them. */
  next(kind: Kind, ...fates: readonly Fate[]): void {
    this.#fates.push(...fates.map((fate) => ({ kind, fate })));
  }

  /** Whether all that was to happen has happened. */
  get isSpent(): boolean {
    return this.#fates.length === 0;
  }

  override async propose(payload: Uint8Array): Promise<number> {
    if (!this.hasQuorum) throw noQuorum();
    const kinds = StoreTransaction.decode(payload).changes.map((change) => kindOf(change.kind));
    const at = this.#fates.findIndex(({ kind }) => kinds.includes(kind));
    const [next] = at < 0 ? [] : this.#fates.splice(at, 1);
    const apply = () => super.propose(payload);
    return next ? next.fate(apply) : apply();
  }

  override async barrier(): Promise<void> {
    if (!this.hasQuorum) throw noQuorum();
  }

  override standing(): Standing {
    return { leading: this.hasQuorum, leader: undefined };
  }
}

export const noQuorum = () => unavailable('The swarm does not have a leader');

/** Keeps a proposal until it is released. */
export class Held {
  /** Resolves when the proposal has come. */
  readonly reached: Deferred<void> = deferred();
  readonly #released: Deferred<void> = deferred();

  readonly fate: Fate = async (apply) => {
    this.reached.resolve();
    await this.#released.promise;
    return apply();
  };

  release(): void {
    this.#released.resolve();
  }
}
