import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { errnoOf, failedPrecondition, resourceExhausted } from '../../lib/errors.js';
import { type PortConfig, Protocol, type Task } from '../../proto/gen/index.js';
import { isHostMode } from '../../proto/ports.js';

/**
 * A port of this node that nobody listens on now: this one, or for 0 one that the kernel chooses. Undefined when
 * somebody does.
 */
export type FindPort = (protocol: Protocol, address: string, port: number) => Promise<number | undefined>;

const TRIES = 20;

/**
 * The ports that lead to a task on its own node alone, with one chosen where the service left it open or gave a range.
 * @param taken "port/protocol" of what this node publishes already
 * @throws RESOURCE_EXHAUSTED when no free port is found
 */
export async function hostPorts(
  task: Task,
  taken: ReadonlySet<string>,
  findPort: FindPort = freePort,
): Promise<readonly PortConfig[]> {
  const asked = task.endpoint.ports.filter(isHostMode);
  const isFixed = ({ publishedPort, publishedLast }: PortConfig) => publishedPort !== 0 && publishedLast === 0;
  // What is asked for by number is nobody's choice, wherever it stands.
  const chosen = new Set([...taken, ...asked.filter(isFixed).map(portKey)]);
  const ports: PortConfig[] = [];
  for (const port of asked) {
    const publishedPort = isFixed(port) ? port.publishedPort : await choose(port, chosen, findPort);
    chosen.add(portKey({ ...port, publishedPort }));
    ports.push({ ...port, publishedPort, publishedLast: 0 });
  }
  return ports;
}

export function portKey({ publishedPort, protocol }: Pick<PortConfig, 'publishedPort' | 'protocol'>): string {
  return `${publishedPort}/${protocol}`;
}

async function choose(port: PortConfig, taken: ReadonlySet<string>, findPort: FindPort): Promise<number> {
  const { publishedPort: first, publishedLast: last, protocol, hostIp, targetPort } = port;
  const offers = first === 0 ? Array.from({ length: TRIES }, () => 0) : rangeOf(first, last);
  for (const offer of offers) {
    if (offer !== 0 && taken.has(portKey({ publishedPort: offer, protocol }))) continue;
    const found = await findPort(protocol, hostIp, offer);
    if (found !== undefined && !taken.has(portKey({ publishedPort: found, protocol }))) return found;
  }
  const range = first === 0 ? '' : ` of ${first}-${last}`;
  throw resourceExhausted(`no free port${range} on this node for port ${targetPort}`, {
    value: String(targetPort),
    hint: 'Name the published port, as in --publish mode=host,published=8080,target=80, or a larger range.',
  });
}

const rangeOf = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** Published ports are nft rules, not sockets: the kernel does not know of them, hence `taken` above. */
export const freePort: FindPort = async (protocol, address, port) => {
  try {
    return await (protocol === Protocol.UDP ? bindUdp(address, port) : listenTcp(address, port));
  } catch (error) {
    if (port !== 0 && errnoOf(error) === 'EADDRINUSE') return undefined;
    if (errnoOf(error) !== 'EADDRNOTAVAIL') throw error;
    throw failedPrecondition(`${address} is no address of this node`, {
      value: address,
      hint: 'Place the service on the node that has it, as by --constraint node.hostname==NODE.',
    });
  }
};

function listenTcp(address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, address || '0.0.0.0', () => {
      const bound = server.address();
      const found = bound && typeof bound === 'object' ? bound.port : 0;
      server.close(() => resolve(found));
    });
  });
}

function bindUdp(address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', reject);
    socket.bind(port, address || undefined, () => {
      const found = socket.address().port;
      socket.close(() => resolve(found));
    });
  });
}
