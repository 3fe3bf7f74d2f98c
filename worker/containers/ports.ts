import { failedPrecondition, resourceExhausted } from '../../lib/errors.js';
import type { Listener } from '../../netlb/kernel/listeners.js';
import type { TransportProtocol } from '../../netlb/state.js';
import { PortConfig } from '../../proto/gen/index.js';
import { protocolNamed, protocolText } from '../../proto/ports.js';

/** A port of this machine that leads somewhere already. */
export interface PublishedAlready {
  readonly protocol: TransportProtocol;
  /** Empty: all local addresses. */
  readonly hostAddress: string;
  readonly published: number;
  /** In words: container "web", the routing mesh. */
  readonly owner: string;
}

export interface PortRequest {
  readonly ports: readonly PortConfig[];
  /** Ports that the image exposes, when all of them are to be published. */
  readonly exposed: readonly PortConfig[];
}

/** Where ports are taken from that are left open, as Docker's. */
export const FIRST_OPEN_PORT = 32_768;
const LAST_OPEN_PORT = 60_999;

/**
 * The ports of a container as they shall be published.
 * @param cursor where the search for free ports begins
 * @throws FAILED_PRECONDITION that names who has a port, RESOURCE_EXHAUSTED when none is free
 */
export function choosePorts(
  { ports, exposed }: PortRequest,
  taken: readonly PublishedAlready[],
  listeners: readonly Listener[],
  cursor: number = FIRST_OPEN_PORT,
): PortConfig[] {
  const listening = listeners.map(
    ({ protocol, address, port }): PublishedAlready => ({
      protocol,
      hostAddress: address,
      published: port,
      owner: 'a process of this machine',
    }),
  );
  const held = [...taken, ...listening];
  const chosen: PortConfig[] = [];
  const keep = (port: PortConfig) => {
    chosen.push(port);
    held.push(publishedBy(port, 'this container itself'));
  };
  const named = (target: PortConfig) =>
    ports.some((port) => port.targetPort === target.targetPort && port.protocol === target.protocol);
  for (const port of ports.filter(({ publishedPort, publishedLast }) => publishedPort > 0 && publishedLast === 0)) {
    const other = held.find((candidate) => collides(candidate, keyOf(port)));
    if (other) {
      throw failedPrecondition(
        `Bind for ${port.hostIp || '0.0.0.0'}:${port.publishedPort} failed: port ${port.publishedPort}/${protocolText(port.protocol)} is in use by ${other.owner}`,
        { value: String(port.publishedPort), hint: 'Publish another port, or stop what uses this one.' },
      );
    }
    keep(port);
  }
  for (const port of ports.filter(({ publishedLast }) => publishedLast > 0)) {
    const { publishedPort: from, publishedLast: to } = port;
    keep({ ...port, publishedPort: freePort(port, held, { from, to }), publishedLast: 0 });
  }
  const open = ports.filter(({ publishedPort }) => publishedPort === 0);
  for (const port of [...open, ...exposed.filter((candidate) => !named(candidate))]) {
    keep({ ...port, publishedPort: freePort(port, held, OPEN, cursor) });
  }
  return chosen;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

const OPEN: Range = { from: FIRST_OPEN_PORT, to: LAST_OPEN_PORT };

function freePort(port: PortConfig, held: readonly PublishedAlready[], { from, to }: Range, cursor = from): number {
  const size = to - from + 1;
  for (let i = 0; i < size; i++) {
    const published = from + ((cursor - from + i) % size);
    if (!held.some((other) => collides(other, { ...keyOf(port), published }))) return published;
  }
  throw resourceExhausted(`no port of ${from}-${to} is free for port ${port.targetPort}`, {
    value: String(port.targetPort),
  });
}

type Key = Omit<PublishedAlready, 'owner'>;

const keyOf = (port: PortConfig): Key => publishedBy(port, '');

function collides(a: Key, b: Key): boolean {
  if (a.protocol !== b.protocol || a.published !== b.published) return false;
  return everywhere(a.hostAddress) || everywhere(b.hostAddress) || a.hostAddress === b.hostAddress;
}

const everywhere = (address: string): boolean => address === '' || address === '0.0.0.0' || address === '::';

export function publishedBy({ protocol, hostIp, publishedPort }: PortConfig, owner: string): PublishedAlready {
  return { protocol: protocolText(protocol), hostAddress: hostIp, published: publishedPort, owner };
}

/** What an image exposes: "80/tcp". */
export function exposedPort(text: string): PortConfig | undefined {
  const [number = '', protocol = 'tcp'] = text.split('/');
  const targetPort = Number(number);
  const known = protocolNamed(protocol);
  return known !== undefined && targetPort > 0 ? PortConfig.create({ targetPort, protocol: known }) : undefined;
}
