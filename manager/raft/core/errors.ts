export type RaftErrorCode =
  /** No leader, a leadership transfer, too much uncommitted, or this leader was removed. */
  | 'proposal-dropped'
  /** A message that only the node itself may send came from outside. */
  | 'local-message'
  /** A response came from a node that is not in the configuration. */
  | 'peer-not-found'
  /** The entry was compacted into the snapshot. */
  | 'compacted'
  /** The entry is past the end of the log. */
  | 'unavailable'
  /** The snapshot is older than the one in storage. */
  | 'snapshot-out-of-date'
  /** The storage cannot give a snapshot now; ask again later. */
  | 'snapshot-temporarily-unavailable'
  /** The change does not fit the configuration it would be applied to. */
  | 'conf-change-refused'
  | 'invalid-config';

const texts: Partial<Record<RaftErrorCode, string>> = {
  'proposal-dropped': 'raft proposal dropped',
  'local-message': 'raft: cannot step raft local message',
  'peer-not-found': 'raft: cannot step as peer not found',
  compacted: 'requested index is unavailable due to compaction',
  unavailable: 'requested entry at index is unavailable',
  'snapshot-out-of-date': 'requested index is older than the existing snapshot',
  'snapshot-temporarily-unavailable': 'snapshot is temporarily unavailable',
};

/** A request that could not be served now, or at all. The node itself is well. */
export class RaftError extends Error {
  override readonly name = 'RaftError';
  readonly code: RaftErrorCode;

  constructor(code: RaftErrorCode, text: string = texts[code] ?? code) {
    super(text);
    this.code = code;
  }
}

/**
 * The state of this node contradicts itself or what its storage says. Going on could lose committed
 * entries, so the process must stop; nothing may catch this and carry on.
 */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}
