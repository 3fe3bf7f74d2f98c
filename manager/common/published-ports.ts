import { shareAnAddress } from '../../lib/ip.js';
import type { PortConfig } from '../../proto/gen/index.js';
import { isHostMode, isRange, lastOf, type Published } from '../../proto/ports.js';

/** Whether both may take the same packets on a node. A port that is left open is nobody's yet. */
export function mayClash(a: Published, b: Published): boolean {
  if (a.publishedPort === 0 || b.publishedPort === 0 || a.protocol !== b.protocol) return false;
  return a.publishedPort <= lastOf(b) && b.publishedPort <= lastOf(a) && shareAnAddress(a.hostIp, b.hostIp);
}

/** One of these that at most one task of a node can have. */
export const onceOnANode = (ports: readonly PortConfig[]): PortConfig | undefined =>
  ports.find((port) => isHostMode(port) && port.publishedPort !== 0 && !isRange(port));
