import { asV2, changesString, confChangeOf } from './confchange/change.js';
import type { Ready } from './ready.js';
import {
  type ConfState,
  type Entry,
  EntryTypeName,
  type HardState,
  LocalAppendThread,
  LocalApplyThread,
  type Message,
  MsgTypeName,
  type NodeId,
  None,
  type Snapshot,
  type SoftState,
} from './types.js';

/** How the payload of an entry is shown. */
export type DataFormatter = (data: Uint8Array) => string;

/** As a quoted string. */
export const quoted: DataFormatter = (data) => JSON.stringify(Buffer.from(data).toString('utf8'));

export function describeReady(ready: Ready, format: DataFormatter = quoted): string {
  const lines: string[] = [];
  if (ready.softState) lines.push(describeSoftState(ready.softState));
  if (ready.hardState) lines.push(`HardState ${describeHardState(ready.hardState)}`);
  if (ready.readStates.length > 0) {
    const states = ready.readStates.map(({ index, requestCtx }) => `{${index} [${requestCtx.join(' ')}]}`);
    lines.push(`ReadStates [${states.join(' ')}]`);
  }
  if (ready.entries.length > 0) lines.push('Entries:', ...ready.entries.map((e) => describeEntry(e, format)));
  if (ready.snapshot) lines.push(`Snapshot ${describeSnapshot(ready.snapshot)}`);
  if (ready.committedEntries.length > 0)
    lines.push('CommittedEntries:', ...ready.committedEntries.map((e) => describeEntry(e, format)));
  if (ready.messages.length > 0) lines.push('Messages:', ...ready.messages.map((m) => describeMessage(m, format)));
  if (lines.length === 0) return '<empty Ready>';
  return `${[`Ready MustSync=${ready.mustSync}:`, ...lines].join('\n')}\n`;
}

/** One line, with further lines for several entries, a snapshot and responses. */
export function describeMessage(m: Message, format: DataFormatter = quoted, indent = ''): string {
  const inner = `${indent}  `;
  const parts = [
    `${indent}${target(m.from)}->${target(m.to)} ${MsgTypeName[m.type]} Term:${m.term} Log:${m.logTerm}/${m.index}`,
  ];
  if (m.reject) parts.push(` Rejected (Hint: ${m.rejectHint})`);
  if (m.commit !== 0) parts.push(` Commit:${m.commit}`);
  if (m.vote !== None) parts.push(` Vote:${m.vote}`);
  const entries = m.entries.map((entry) => describeEntry(entry, format));
  if (entries.length === 1) parts.push(` Entries:[${entries[0]}]`);
  else if (entries.length > 1)
    parts.push(` Entries:[${entries.map((entry) => `\n${inner}${entry}`).join('')}\n${indent}]`);
  if (m.snapshot && m.snapshot.metadata.index !== 0) parts.push(`\n${inner}Snapshot: ${describeSnapshot(m.snapshot)}`);
  if (m.responses.length > 0) {
    const responses = m.responses.map((response) => `\n${describeMessage(response, format, inner)}`);
    parts.push(` Responses:[${responses.join('')}\n${indent}]`);
  }
  return parts.join('');
}

export function describeEntry(entry: Entry, format: DataFormatter = quoted): string {
  const change = confChangeOf(entry);
  const text = change ? changesString(asV2(change).changes) : format(entry.data);
  return `${entry.term}/${entry.index} ${EntryTypeName[entry.type]}${text === '' ? '' : ` ${text}`}`;
}

export function describeSoftState({ lead, raftState }: SoftState): string {
  return `Lead:${lead} State:${raftState}`;
}

export function describeHardState({ term, vote, commit }: HardState): string {
  return `Term:${term}${vote === None ? '' : ` Vote:${vote}`} Commit:${commit}`;
}

export function describeSnapshot({ metadata: { index, term, confState } }: Snapshot): string {
  return `Index:${index} Term:${term} ConfState:${describeConfState(confState)}`;
}

export function describeConfState(state: ConfState): string {
  const ids = (list: readonly NodeId[]) => `[${list.join(' ')}]`;
  return `Voters:${ids(state.voters)} VotersOutgoing:${ids(state.votersOutgoing)} Learners:${ids(state.learners)} LearnersNext:${ids(state.learnersNext)} AutoLeave:${state.autoLeave}`;
}

function target(id: NodeId): string {
  switch (id) {
    case None:
      return 'None';
    case LocalAppendThread:
      return 'AppendThread';
    case LocalApplyThread:
      return 'ApplyThread';
    default:
      return id.toString(16);
  }
}
