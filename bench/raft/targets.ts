import type { KvTarget, TargetDescription } from './cluster.js';
import { openEtcd } from './etcd-kv.js';

const open: Readonly<Record<TargetDescription['kind'], (members: readonly string[]) => KvTarget>> = {
  etcd: openEtcd,
};

export function openTarget({ kind, members }: TargetDescription): KvTarget {
  return open[kind](members);
}
