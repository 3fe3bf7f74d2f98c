import type { Invariant } from './violation.js';

/** One deliberate bug: `before`, which is in the file exactly once, becomes `after`. */
export interface Mutation {
  readonly name: string;
  /** Below core/. */
  readonly file: string;
  readonly before: string;
  readonly after: string;
  /** Any of these may be the first to break; InvariantError is the core's own check of itself. */
  readonly breaks: readonly (Invariant | 'InvariantError')[];
}

/** Mistakes that implementations of Raft make, and that the simulator must find. */
export const mutations: readonly Mutation[] = [
  {
    name: 'forget-vote',
    file: 'election.ts',
    before: '    r.vote = m.from;\n',
    after: '',
    breaks: ['durable promise', 'one vote'],
  },
  {
    name: 'vote-not-synced',
    file: 'ready.ts',
    before: 'return entries > 0 || state.vote !== previous.vote || state.term !== previous.term;',
    after: 'return entries > 0;',
    breaks: ['durable promise'],
  },
  {
    name: 'vote-lost-in-restart',
    file: 'new-raft.ts',
    before: '  r.vote = hardState.vote;\n',
    after: '',
    breaks: ['one vote'],
  },
  {
    name: 'vote-for-shorter-log',
    file: 'election.ts',
    before: 'canVote && r.log.isUpToDate({ index: m.index, term: m.logTerm })',
    after: 'canVote',
    breaks: ['leader completeness'],
  },
  {
    name: 'vote-by-length-of-log-alone',
    file: 'log/log.ts',
    before: 'theirs.term > ours.term || (theirs.term === ours.term && theirs.index >= ours.index)',
    after: 'theirs.index >= ours.index',
    breaks: ['leader completeness'],
  },
  {
    name: 'commit-older-term-by-counting',
    file: 'log/log.ts',
    before: 'term === 0 || this.term(index) !== term',
    after: 'term === 0',
    breaks: ['leader completeness', 'durable commit', 'state machine safety'],
  },
  {
    name: 'ack-before-durable',
    file: 'raft.ts',
    before: 'if (waitsForAppend(complete.type)) {',
    after: 'if (complete.to === this.id || (waitsForAppend(complete.type) && complete.type !== MsgType.MsgAppResp)) {',
    breaks: ['durable promise', 'durable commit'],
  },
  {
    name: 'vote-before-durable',
    file: 'raft.ts',
    before: 'if (waitsForAppend(complete.type)) {',
    after: 'if (complete.to === this.id || (waitsForAppend(complete.type) && complete.type !== MsgType.MsgVoteResp)) {',
    breaks: ['durable promise'],
  },
  {
    name: 'leader-counts-itself-before-durable',
    file: 'proposals.ts',
    before: '  r.send({ type: MsgType.MsgAppResp, to: r.id, index: r.log.append(placed) });',
    after:
      '  r.send({ type: MsgType.MsgAppResp, to: r.id, index: r.log.append(placed) });\n  const own = r.tracker.progress.get(r.id); if (own) own.match = r.log.lastIndex();',
    breaks: ['durable commit'],
  },
  {
    name: 'joint-commit-by-one-half',
    file: 'quorum/joint.ts',
    before: 'return Math.min(majorityCommitted(config.incoming, acked), majorityCommitted(config.outgoing, acked));',
    after: 'return majorityCommitted(config.incoming, acked);',
    breaks: ['durable commit'],
  },
  {
    name: 'several-changes-at-once',
    file: 'confchange/changer.ts',
    before: '  for (const id of draft.incoming) draft.outgoing.add(id);\n',
    after: '  autoLeave = false;\n',
    breaks: ['leader completeness', 'election safety', 'progress'],
  },
  {
    name: 'truncate-on-stale-append',
    file: 'log/log.ts',
    before: 'const conflict = this.#findConflict(entries);',
    after: 'const conflict = entries.find((entry) => entry.index > this.#committed)?.index;',
    breaks: ['durable commit', 'durable promise'],
  },
  {
    name: 'keep-conflicting-tail',
    file: 'log/log.ts',
    before: 'if (this.matches(entry)) continue;',
    after: 'if (entry.index <= this.lastIndex()) continue;',
    breaks: ['durable promise', 'log matching'],
  },
  {
    name: 'append-without-match',
    file: 'log/log.ts',
    before: 'if (!this.matches(prev)) return undefined;',
    after: 'if (prev.index > this.lastIndex()) return undefined;',
    breaks: ['log matching'],
  },
  {
    name: 'commit-beyond-match',
    file: 'log/log.ts',
    before: 'this.commitTo(Math.min(leaderCommit, last));',
    after: 'this.commitTo(leaderCommit);',
    breaks: ['InvariantError', 'state machine safety'],
  },
  {
    name: 'heartbeat-commit-beyond-match',
    file: 'replication.ts',
    before: 'const commit = Math.min(progress.match, r.log.committed);',
    after: 'const commit = r.log.committed;',
    breaks: ['InvariantError', 'state machine safety'],
  },
  {
    name: 'read-without-quorum',
    file: 'reads.ts',
    before: "  if (r.config.readOnly === 'lease-based') {\n    answer",
    after: "  if (r.config.readOnly === 'safe') {\n    answer",
    breaks: ['linearizable read'],
  },
  {
    name: 'read-before-first-commit',
    file: 'reads.ts',
    before: 'if (!committedInCurrentTerm(r)) r.earlyReads.push(request);',
    after: 'if (r.term === 0) r.earlyReads.push(request);',
    breaks: ['linearizable read'],
  },
  {
    name: 'append-from-newer-leader-raises-no-term',
    file: 'step.ts',
    before: 'becomeFollower(r, m.term, fromLeader ? m.from : None);',
    after: 'becomeFollower(r, fromLeader ? r.term : m.term, fromLeader ? m.from : None);',
    breaks: ['progress', 'InvariantError', 'durable commit'],
  },
  {
    name: 'append-of-older-leader-accepted',
    file: 'step.ts',
    before: 'if (m.term !== 0 && m.term < r.term) {',
    after: 'if (m.term !== 0 && m.term < r.term && m.type !== MsgType.MsgApp) {',
    breaks: ['one vote'],
  },
  {
    name: 'vote-of-older-term-counts',
    file: 'step.ts',
    before: 'if (m.term !== 0 && m.term < r.term) {',
    after: 'if (m.term !== 0 && m.term < r.term && m.type !== MsgType.MsgVoteResp) {',
    breaks: ['election safety', 'leader completeness'],
  },
  {
    name: 'snapshot-without-configuration',
    file: 'restore.ts',
    before: '  restoreConfState(r, confState);\n',
    after: '',
    breaks: ['state machine safety'],
  },
  {
    name: 'leader-keeps-old-matches',
    file: 'tracker/tracker.ts',
    before: 'const match = id === self ? lastIndex : 0;',
    after: 'const match = id === self ? lastIndex : (this.#progress.get(id)?.match ?? 0);',
    breaks: ['durable commit', 'state machine safety', 'InvariantError'],
  },
  {
    name: 'sent-counts-as-matched',
    file: 'tracker/progress.ts',
    before: '          this.next += count;',
    after: '          this.next += count; this.match = this.next - 1;',
    breaks: ['durable commit'],
  },
  {
    name: 'commit-quorum-of-even-half',
    file: 'quorum/majority.ts',
    before: 'return indexes[Math.floor(voters.size / 2)] ?? 0;',
    after: 'return indexes[Math.floor((voters.size - 1) / 2)] ?? 0;',
    breaks: ['durable commit'],
  },
  {
    name: 'vote-quorum-of-even-half',
    file: 'quorum/majority.ts',
    before: 'const quorum = Math.floor(voters.size / 2) + 1;',
    after: 'const quorum = Math.ceil(voters.size / 2);',
    breaks: ['election safety', 'leader completeness'],
  },
  {
    name: 'pre-vote-counts-as-vote',
    file: 'candidate.ts',
    before: "if (m.type === (r.state === 'StatePreCandidate' ? MsgType.MsgPreVoteResp : MsgType.MsgVoteResp))",
    after: "if (r.state === 'StateCandidate' || m.type === MsgType.MsgPreVoteResp)",
    breaks: ['election safety', 'leader completeness'],
  },
  {
    name: 'votes-kept-for-next-term',
    file: 'raft.ts',
    before: '    this.tracker.resetVotes();\n',
    after: '',
    breaks: ['election safety', 'leader completeness'],
  },
  {
    name: 'leader-stays-at-higher-term',
    file: 'roles.ts',
    before: "  r.state = 'StateFollower';\n",
    after: "  if (r.state !== 'StateLeader') r.state = 'StateFollower';\n",
    breaks: ['election safety'],
  },
];
