import type { Raft } from '../core/raft.js';
import { configString } from '../core/tracker/tracker.js';
import type { Entry, HardState, Snapshot } from '../core/types.js';
import type { LiveNode } from './live-node.js';
import { contentOf, entryKey, messageKey } from './machine.js';

/**
 * All that can determine what a node does next, without what does not happen here: ticks, reads,
 * limits of size. Two nodes with one fingerprint are taken to be the same; the exploration can check
 * that by trying both.
 */
export function fingerprint(node: LiveNode): string {
  const { disk, machine, softState, hardState } = node;
  return [
    node.id,
    raftKey(node.raw.raft),
    `${softState.lead}${softState.raftState}`,
    hardStateKey(hardState),
    hardStateKey(disk.initialState().hardState),
    snapshotKey(disk.snapshot()),
    disk.firstIndex(),
    entriesKey(disk.entries(disk.firstIndex(), disk.lastIndex() + 1, Number.POSITIVE_INFINITY)),
    machine.index,
    machine.content,
    JSON.stringify(machine.confState),
    ...[node.applies, node.acknowledgements].map((queue) => queue.map(messageKey).join('&')),
    node.appends.map((m) => messageKey({ ...m, responses: m.responses.filter(({ to }) => to === node.id) })).join('&'),
  ].join('\n');
}

/** For each write that is not done, what it lets be sent to others: in no order, as it may arrive in any. */
export function withheld(node: LiveNode): readonly (readonly string[])[] {
  return node.appends.map(({ responses }) =>
    responses
      .filter(({ to }) => to !== node.id)
      .map(messageKey)
      .sort(),
  );
}

function raftKey(r: Raft): string {
  const { log, tracker } = r;
  const snapshot = log.hasNextOrInProgressSnapshot() ? log.snapshot() : undefined;
  const parts: unknown[] = [
    r.state,
    r.term,
    r.vote,
    r.lead,
    r.leadTransferee,
    r.pendingConfIndex,
    log,
    snapshot ? `${snapshotKey(snapshot)}${log.nextUnstableSnapshot() === undefined}` : '',
    entriesKey(log.entries(log.firstIndex(), Number.POSITIVE_INFINITY) ?? []),
    configString(tracker.config),
    r.state === 'StateCandidate' || r.state === 'StatePreCandidate'
      ? [...tracker.votes].sort(([a], [b]) => a - b).join()
      : '',
  ];
  if (r.state === 'StateLeader')
    for (const [id, p] of tracker.progress) {
      parts.push(id, p.state, p.match, p.next, p.pendingSnapshot, p.msgAppFlowPaused, p.sentCommitIndex);
      parts.push(JSON.stringify(p.inflights.window));
    }
  return parts.join(';');
}

function entriesKey(entries: readonly Entry[]): string {
  return entries.map((entry) => `${entry.index}=${entryKey(entry)}`).join();
}

function hardStateKey({ term, vote, commit }: HardState): string {
  return `${term}/${vote}/${commit}`;
}

function snapshotKey(snapshot: Snapshot): string {
  const { index, term, confState } = snapshot.metadata;
  return `${term}/${index} ${JSON.stringify(confState)} ${contentOf(snapshot).join()}`;
}
