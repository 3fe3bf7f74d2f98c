/** What published ports are and what they are called: the same for managers, nodes and the command line. */
import { bracketed } from '../lib/ip.js';
import { type PortConfig, Protocol, PublishMode } from './gen/specs.js';

export const PROTOCOLS = { tcp: Protocol.TCP, udp: Protocol.UDP, sctp: Protocol.SCTP } as const;
export type ProtocolText = keyof typeof PROTOCOLS;

const TEXTS: Readonly<Record<Protocol, ProtocolText>> = {
  [Protocol.TCP]: 'tcp',
  [Protocol.UDP]: 'udp',
  [Protocol.SCTP]: 'sctp',
};

/** @param text in lower case */
export const protocolNamed = (text: string): Protocol | undefined =>
  Object.hasOwn(PROTOCOLS, text) ? PROTOCOLS[text as ProtocolText] : undefined;

export const protocolText = (protocol: Protocol): ProtocolText => TEXTS[protocol];

/** Where a port is published: a port or, in host mode, one of a range, on all addresses of the nodes or on one. */
export type Published = Pick<PortConfig, 'protocol' | 'publishedPort' | 'publishedLast' | 'hostIp'>;

export const isHostMode = ({ publishMode }: Pick<PortConfig, 'publishMode'>): boolean =>
  publishMode === PublishMode.HOST;

export const modeText = (port: Pick<PortConfig, 'publishMode'>): 'host' | 'ingress' =>
  isHostMode(port) ? 'host' : 'ingress';

/** Each node chooses one of several. */
export const isRange = ({ publishedPort, publishedLast }: Published): boolean => publishedLast > publishedPort;

export const lastOf = (port: Published): number => (isRange(port) ? port.publishedLast : port.publishedPort);

/** Whether a port of this number can be the published one; none is that of a port that is left open. */
export const includesPort = (port: Published, number: number): boolean =>
  port.publishedPort !== 0 && port.publishedPort <= number && number <= lastOf(port);

/** `8080`, `8080-8090`; `any` of a port that is left open. */
function numbersText(port: Published): string {
  if (port.publishedPort === 0) return 'any';
  return isRange(port) ? `${port.publishedPort}-${port.publishedLast}` : `${port.publishedPort}`;
}

/** `8080`, `8080-8090`, `any`, `192.0.2.7:8080`, `[fd00::1]:8080`. */
export const publishedAt = (port: Published): string =>
  `${port.hostIp === '' ? '' : `${bracketed(port.hostIp)}:`}${numbersText(port)}`;

/** `8080/tcp`, `8080-8090/udp`, `any/tcp`, `192.0.2.7:8080/tcp`, `[fd00::1]:8080/tcp`. */
export const publishedText = (port: Published): string => `${publishedAt(port)}/${protocolText(port.protocol)}`;

/** `80/tcp` */
export const targetText = ({ targetPort, protocol }: Pick<PortConfig, 'targetPort' | 'protocol'>): string =>
  `${targetPort}/${protocolText(protocol)}`;
