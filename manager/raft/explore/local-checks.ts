import type { Action } from './action.js';
import { type LogContent, lengthTo, type NodeState, termAt } from './node-state.js';

/** What one step of one node must not do, whatever the others are in. Returns what is broken. */
export function checkStep(before: NodeState, after: NodeState, action: Action): string | undefined {
  return (
    checkDisk(before, after) ?? checkLog(after) ?? (action.kind === 'crash' ? undefined : checkMemory(before, after))
  );
}

function checkDisk({ disk: before }: NodeState, { node, disk: after }: NodeState): string | undefined {
  if (after.term < before.term) return `the term on disk of ${node} goes back from ${before.term} to ${after.term}`;
  if (after.term === before.term && before.vote !== 0 && after.vote !== before.vote)
    return `${node} votes for ${before.vote} and for ${after.vote} in term ${after.term}`;
  if (after.commit < before.commit)
    return `the commit index on disk of ${node} goes back from ${before.commit} to ${after.commit}`;
  return undefined;
}

function checkLog({ node, log, applied, commit }: NodeState): string | undefined {
  for (let at = 1; at < log.length; at++)
    if (termAt(log, at) < termAt(log, at - 1))
      return `the log of ${node} has term ${termAt(log, at)} after a higher one`;
  if (applied.length > lengthTo(commit)) return `${node} applies what is not committed`;
  return beginsWith(log, applied, applied.length) ? undefined : `${node} applied what is not in its log`;
}

function checkMemory(before: NodeState, after: NodeState): string | undefined {
  const { node } = before;
  if (after.term < before.term) return `the term of ${node} goes back from ${before.term} to ${after.term}`;
  if (after.commit < before.commit)
    return `the commit index of ${node} goes back from ${before.commit} to ${after.commit}`;
  if (!beginsWith(after.log, before.log, lengthTo(before.commit))) return `${node} overwrites what is committed`;
  const leads = before.role === 'StateLeader' && after.role === 'StateLeader' && after.term === before.term;
  if (leads && !beginsWith(after.log, before.log, before.log.length))
    return `leader append-only: ${node} overwrites its own log`;
  return undefined;
}

export function beginsWith(log: LogContent, prefix: LogContent, length: number): boolean {
  for (let at = 0; at < length; at++) if (log[at] !== prefix[at]) return false;
  return true;
}
