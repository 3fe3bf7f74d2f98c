/** What published ports are called, everywhere in the same words. */
import { bracketed } from '../../lib/ip.js';
import { type PortConfig, type Protocol, ProtocolName, PublishMode } from '../../proto/gen/specs.js';

export const protocolText = (protocol: Protocol): string => ProtocolName[protocol].toLowerCase();

export const modeText = ({ publishMode }: Pick<PortConfig, 'publishMode'>): string =>
  publishMode === PublishMode.HOST ? 'host' : 'ingress';

/** `80/tcp` */
export const targetText = ({ targetPort, protocol }: Pick<PortConfig, 'targetPort' | 'protocol'>): string =>
  `${targetPort}/${protocolText(protocol)}`;

/** `192.0.2.1:`, `[fd00::1]:`; nothing when it is on all addresses. */
const placeText = ({ hostIp }: PortConfig): string => (hostIp === '' ? '' : `${bracketed(hostIp)}:`);

/** `8080`; of a port that each node chooses, `8080-8089`, or `any` when it is left open. */
function numberText({ publishedPort, publishedLast }: PortConfig): string {
  if (publishedPort === 0) return 'any';
  return publishedLast > publishedPort ? `${publishedPort}-${publishedLast}` : `${publishedPort}`;
}

/** `8080`, `192.0.2.1:8080`, `8080-8089`, `any`. */
export const publishedAt = (port: PortConfig): string => `${placeText(port)}${numberText(port)}`;

/** `8080/tcp`, `192.0.2.1:8080/tcp`, `8080-8089/tcp`, `any/tcp`. */
export const publishedText = (port: PortConfig): string => `${publishedAt(port)}/${protocolText(port.protocol)}`;

/** Whether a port of this number can be the published one; none is that of a port that is left open. */
export const includesNumber = ({ publishedPort, publishedLast }: PortConfig, number: number): boolean =>
  publishedPort !== 0 && publishedPort <= number && number <= Math.max(publishedPort, publishedLast);
