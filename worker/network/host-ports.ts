import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { resourceExhausted } from '../../lib/errors.js';
import { type PortConfig, Protocol, PublishMode, type Task } from '../../proto/gen/index.js';

/** A port that nobody on this node listens on now, chosen by the kernel. */
export type FindPort = (protocol: Protocol, address: string) => Promise<number>;

const TRIES = 20;

/**
 * The ports that lead to a task on its own node alone, with one chosen where the service left it open.
 * @param taken "port/protocol" of what this node publishes already
 * @throws RESOURCE_EXHAUSTED when no free port is found
 */
export async function hostPorts(
  task: Task,
  taken: ReadonlySet<string>,
  findPort: FindPort = freePort,
): Promise<readonly PortConfig[]> {
  const chosen = new Set(taken);
  const ports: PortConfig[] = [];
  for (const port of task.endpoint.ports) {
    if (port.publishMode !== PublishMode.HOST) continue;
    const publishedPort = port.publishedPort || (await choose(port, chosen, findPort));
    chosen.add(portKey({ ...port, publishedPort }));
    ports.push({ ...port, publishedPort });
  }
  return ports;
}

export function portKey({ publishedPort, protocol }: Pick<PortConfig, 'publishedPort' | 'protocol'>): string {
  return `${publishedPort}/${protocol}`;
}

async function choose(port: PortConfig, taken: ReadonlySet<string>, findPort: FindPort): Promise<number> {
  for (let i = 0; i < TRIES; i++) {
    const publishedPort = await findPort(port.protocol, port.hostIp);
    if (!taken.has(portKey({ ...port, publishedPort }))) return publishedPort;
  }
  throw resourceExhausted(`no free port on this node for port ${port.targetPort}`, {
    value: String(port.targetPort),
    hint: 'Name the published port, as in --publish mode=host,published=8080,target=80.',
  });
}

/** Published ports are nft rules, not sockets: the kernel does not know of them, hence `taken` above. */
export const freePort: FindPort = (protocol, address) =>
  protocol === Protocol.UDP ? freeUdpPort(address) : freeTcpPort(address);

function freeTcpPort(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, address || '0.0.0.0', () => {
      const bound = server.address();
      const port = bound && typeof bound === 'object' ? bound.port : 0;
      server.close(() => resolve(port));
    });
  });
}

function freeUdpPort(address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', reject);
    socket.bind(0, address || undefined, () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
