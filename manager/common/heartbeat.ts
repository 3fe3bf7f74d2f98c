import type { ReadView } from '../store/store.js';

/** Milliseconds between two heartbeats, by the cluster's spec. */
export function heartbeatPeriod(view: ReadView): number {
  for (const cluster of view.list('cluster')) return cluster.spec.dispatcherHeartbeat / 1e6 || 5_000;
  return 5_000;
}
