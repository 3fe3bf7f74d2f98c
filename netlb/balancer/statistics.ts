import type { PublishedPort } from '../state.js';

/** What one balancer has counted of one backend of a published port, since the backend came to it. */
export interface BackendCounters {
  /**
   * Connections that last: of TCP those that are established, of other protocols those that are not forgotten for
   * want of packets. What IPVS calls active.
   */
  readonly active: number;
  /** All that were ever given to it. */
  readonly connections: number;
  /** From clients. Bytes are those of whole IP packets. */
  readonly packetsIn: number;
  readonly bytesIn: number;
  /** To clients. */
  readonly packetsOut: number;
  readonly bytesOut: number;
}

export interface BackendStatistics extends BackendCounters {
  readonly address: string;
  /** 0: it keeps its connections, and gets no new ones. */
  readonly weight: number;
}

/** A published port as one node balances it. */
export interface PortStatistics extends Omit<PublishedPort, 'backends'> {
  readonly backends: readonly BackendStatistics[];
}

const NOTHING: BackendCounters = { active: 0, connections: 0, packetsIn: 0, bytesIn: 0, packetsOut: 0, bytesOut: 0 };

/**
 * What is balanced, with what was counted. Pure.
 * @param countersOf by address; undefined for a backend that the kernel does not have, or no longer
 */
export function portStatistics(
  { backends, ...port }: PublishedPort,
  countersOf: (address: string) => BackendCounters | undefined,
): PortStatistics {
  return {
    ...port,
    backends: backends.map(({ address, weight }) => ({ address, weight, ...(countersOf(address) ?? NOTHING) })),
  };
}
