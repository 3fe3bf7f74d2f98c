import { randomBytes } from 'node:crypto';
import { newId } from '../lib/ids.js';
import { type KeyRing, newStorageKey } from './raft/disk/file-key.js';

/** What makes this machine a member of the group of managers. Kept with the node's own state; secret. */
export interface ManagerIdentity {
  /** Of its log: a number that no other member has or had. */
  readonly raftId: number;
  /** Names the group. A swarm that is made anew from one survivor is another group. */
  readonly group: string;
  /** 32 bytes that all managers share: they prove to each other by it what they are. */
  readonly secret: Uint8Array;
  /** What log and snapshots on this machine are encrypted with, newest first. */
  readonly keys: KeyRing;
  /** The members when it joined: used until the state has come that names them. */
  readonly peers: readonly { readonly raftId: number; readonly address: string }[];
}

/** The identity of the first manager of a new group. */
export function newGroup(): ManagerIdentity {
  return { raftId: newRaftId(), group: newId(), secret: randomBytes(32), keys: [newStorageKey()], peers: [] };
}

/** 48 random bits: never the number of one that was there before. */
export function newRaftId(): number {
  return randomBytes(6).readUIntBE(0, 6) || newRaftId();
}
