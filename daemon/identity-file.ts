import type { ManagerIdentity } from '../manager/identity.js';

/** A ManagerIdentity as node.json holds it: bytes in hex. Readable by root alone, like the node's own credential. */
export interface StoredIdentity {
  readonly raftId: number;
  readonly group: string;
  readonly secret: string;
  readonly keys: readonly { readonly id: string; readonly key: string }[];
  readonly peers: readonly { readonly raftId: number; readonly address: string }[];
}

export function storeIdentity({ raftId, group, secret, keys, peers }: ManagerIdentity): StoredIdentity {
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  return { raftId, group, secret: hex(secret), keys: keys.map(({ id, key }) => ({ id, key: hex(key) })), peers };
}

export function readIdentity({ raftId, group, secret, keys, peers }: StoredIdentity): ManagerIdentity {
  const bytes = (hex: string) => Buffer.from(hex, 'hex');
  return { raftId, group, secret: bytes(secret), keys: keys.map(({ id, key }) => ({ id, key: bytes(key) })), peers };
}

/** What is wrong with the "manager" of a state file, in words; undefined when nothing is. */
export function identityFault(value: unknown): string | undefined {
  const { raftId, group, secret, keys, peers } = Object(value) as Partial<Record<keyof StoredIdentity, unknown>>;
  const isKey = (key: unknown) => /^[0-9a-f]{64}$/.test(String(Object(key).key)) && typeof Object(key).id === 'string';
  if (!Number.isSafeInteger(raftId) || typeof group !== 'string') return '"manager" names no member of a group';
  if (!/^[0-9a-f]{64}$/.test(String(secret))) return '"manager.secret" is not 32 bytes in hex';
  if (!Array.isArray(keys) || keys.length === 0 || !keys.every(isKey)) return '"manager.keys" are missing';
  return Array.isArray(peers) ? undefined : '"manager.peers" are missing';
}
