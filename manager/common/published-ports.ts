import { bracketed, shareAnAddress } from '../../lib/ip.js';
import { type PortConfig, ProtocolName, PublishMode } from '../../proto/gen/index.js';

/** Where a port is published: a port or, in host mode, one of a range, on all addresses of the nodes or on one. */
export type Published = Pick<PortConfig, 'protocol' | 'publishedPort' | 'publishedLast' | 'hostIp'>;

export const isHostMode = ({ publishMode }: Pick<PortConfig, 'publishMode'>): boolean =>
  publishMode === PublishMode.HOST;

/** Each node chooses one of several. */
export const isRange = ({ publishedPort, publishedLast }: Published): boolean => publishedLast > publishedPort;

const lastOf = (port: Published): number => (isRange(port) ? port.publishedLast : port.publishedPort);

export const includesPort = (port: Published, number: number): boolean =>
  port.publishedPort <= number && number <= lastOf(port);

/** `8080`, `8080-8090`. */
const numbersText = (port: Published): string =>
  isRange(port) ? `${port.publishedPort}-${port.publishedLast}` : `${port.publishedPort}`;

/** `8080/tcp`, `8080-8090/udp`, `192.0.2.7:8080/tcp`, `[fd00::1]:8080/tcp`. */
export function publishedText(port: Published): string {
  const { hostIp } = port;
  const at = hostIp === '' ? '' : `${bracketed(hostIp)}:`;
  return `${at}${numbersText(port)}/${ProtocolName[port.protocol].toLowerCase()}`;
}

/** Whether both may take the same packets on a node. A port that is left open is nobody's yet. */
export function mayClash(a: Published, b: Published): boolean {
  if (a.publishedPort === 0 || b.publishedPort === 0 || a.protocol !== b.protocol) return false;
  return a.publishedPort <= lastOf(b) && b.publishedPort <= lastOf(a) && shareAnAddress(a.hostIp, b.hostIp);
}

/** One of these that at most one task of a node can have. */
export const onceOnANode = (ports: readonly PortConfig[]): PortConfig | undefined =>
  ports.find((port) => isHostMode(port) && port.publishedPort !== 0 && !isRange(port));
