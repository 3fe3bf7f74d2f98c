import { type ConfState, type Entry, type Index, Message, type Snapshot } from '../core/types.js';

/** The state machine: the list of what was applied. */
export interface Machine {
  readonly index: Index;
  readonly content: readonly string[];
  readonly confState: ConfState;
}

/** Equal for equal messages alone. */
export function messageKey(m: Message): string {
  return Buffer.from(Message.encode(m)).toString('latin1');
}

/** What an entry says and since when; its index is its place. */
export function entryKey(entry: Entry): string {
  return `${entry.term}:${entry.type}:${Buffer.from(entry.data).toString('latin1')}`;
}

export function contentOf(snapshot: Snapshot): readonly string[] {
  return snapshot.data.length === 0 ? [] : JSON.parse(Buffer.from(snapshot.data).toString());
}

export function encodeContent({ content }: Machine): Uint8Array {
  return content.length === 0 ? new Uint8Array(0) : Buffer.from(JSON.stringify(content));
}

export function machineOf(snapshot: Snapshot): Machine {
  const { index, confState } = snapshot.metadata;
  return { index, confState, content: contentOf(snapshot) };
}
