/**
 * The timing of managers. A leader that says nothing for ELECTION_TICKS to twice as many ticks is
 * replaced; that is the longest a silent failure (a stopped process, a cut cable) lasts. One whose
 * process is gone is replaced at once: see RaftMember's onConnectionLost.
 */
export const TICK = 50;
export const HEARTBEAT_TICKS = 2;
export const ELECTION_TICKS = 10;

/** Milliseconds in which managers that have lost their leader campaign, each at a random moment. */
export const CAMPAIGN_SPREAD = 100;
/** How often each tries, before it falls back to the time-out of a silent leader. */
export const CAMPAIGNS = 10;

/** Bytes of entries in one message, and MsgApps on their way to one follower. */
export const MAX_MESSAGE_BYTES = 1 << 20;
export const MAX_INFLIGHT_MESSAGES = 256;
/** Bytes of them: less than waits for one stream at most (transport/outbox.ts), so none is dropped for want of room. */
export const MAX_INFLIGHT_BYTES = 16 << 20;
/** Bytes of entries that a leader takes before a majority has them. */
export const MAX_UNCOMMITTED_BYTES = 16 << 20;
/** Bytes of entries that are applied before anything else has a turn. */
export const MAX_APPLY_BYTES = 1 << 20;

/** Milliseconds in which a read must be confirmed by a quorum. */
export const BARRIER_TIMEOUT = 5_000;
/** Milliseconds after which a read that was not confirmed is asked for again. */
export const READ_RETRY = 250;
/** Milliseconds after a loss of leadership in which the fate of a proposal may still become known. */
export const FATE_TIMEOUT = 1_000;
/** Milliseconds in which another manager must take over from one that stops. */
export const TRANSFER_TIMEOUT = 1_000;
