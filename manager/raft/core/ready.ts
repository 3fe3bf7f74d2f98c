import type { Entry, HardState, Message, ReadState, Snapshot, SoftState } from './types.js';

/**
 * What is to be done now, in this order: write `snapshot` (always synced), `entries` and `hardState`
 * to storage (synced when `mustSync`), send `messages`, apply `committedEntries`, call advance(). The hard
 * state comes last since its commit index may be that of the entries; a crash in between is safe.
 *
 * With asynchronous storage writes the order is in the messages instead: those to LocalAppendThread
 * and LocalApplyThread say what to write and apply and which responses to deliver when it is done;
 * all others may be sent at once; advance() is not called.
 */
export interface Ready {
  /** Only when it changed. */
  readonly softState: SoftState | undefined;
  /** Only when it changed. */
  readonly hardState: HardState | undefined;
  /** Reads that are linearizable once their index is applied. */
  readonly readStates: readonly ReadState[];
  readonly entries: readonly Entry[];
  /** Replaces storage and state machine; never together with entries or committedEntries. */
  readonly snapshot: Snapshot | undefined;
  readonly committedEntries: readonly Entry[];
  readonly messages: readonly Message[];
  /** Whether entries and hard state must be durable before the messages are sent: not for a commit index alone. */
  readonly mustSync: boolean;
}

/** Term, vote and entries must survive a crash (Raft paper, figure 2); the commit index need not. */
export function mustSync(state: HardState, previous: HardState, entries: number): boolean {
  return entries > 0 || state.vote !== previous.vote || state.term !== previous.term;
}

export function sameHardState(a: HardState, b: HardState): boolean {
  return a.term === b.term && a.vote === b.vote && a.commit === b.commit;
}

export function sameSoftState(a: SoftState, b: SoftState): boolean {
  return a.lead === b.lead && a.raftState === b.raftState;
}
