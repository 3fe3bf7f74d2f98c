import { failedPrecondition, invalidArgument } from '../../../lib/errors.js';
import { isAddress } from '../../../lib/ip.js';
import {
  EndpointMode,
  type EndpointSpec,
  type PortConfig,
  Protocol,
  ProtocolName,
  PublishMode,
  type Service,
} from '../../../proto/gen/index.js';
import type { ReadView } from '../../store/store.js';

const SCHEDULERS = new Set(['', 'rr', 'wrr', 'lc', 'wlc', 'sh', 'mh']);

export const portText = (port: { readonly publishedPort: number; readonly protocol: Protocol }): string =>
  `${port.publishedPort}/${ProtocolName[port.protocol].toLowerCase()}`;

/** @throws INVALID_ARGUMENT for what is wrong whatever the swarm's state */
export function checkEndpointSpec(endpoint: EndpointSpec): void {
  for (const [index, port] of endpoint.ports.entries()) {
    checkPort(port);
    if (endpoint.mode === EndpointMode.DNSRR && port.publishMode === PublishMode.INGRESS) {
      throw invalidArgument(
        `port ${port.publishedPort || port.targetPort} cannot be published on all nodes with dnsrr`,
        {
          value: portText(port),
          hint: 'Use --endpoint-mode vip, or publish it with mode=host.',
        },
      );
    }
    const twin = endpoint.ports.slice(0, index).find((other) => clash(other, port));
    if (twin)
      throw invalidArgument(`port ${portText(port)} is published twice by this service`, { value: portText(port) });
  }
}

function checkPort(port: PortConfig): void {
  range('target port', port.targetPort, 1);
  range('published port', port.publishedPort, 0);
  if (!Object.hasOwn(ProtocolName, port.protocol)) {
    throw invalidArgument(`protocol ${port.protocol} of port ${port.targetPort} is not known`, {
      value: String(port.protocol),
      hint: 'One of tcp, udp, sctp.',
    });
  }
  if (port.hostIp !== '' && !isAddress(port.hostIp)) {
    throw invalidArgument(`"${port.hostIp}" is not an address to publish port ${port.publishedPort} on`, {
      value: port.hostIp,
    });
  }
  if (!SCHEDULERS.has(port.scheduler)) {
    throw invalidArgument(`"${port.scheduler}" is not a way to spread connections`, {
      value: port.scheduler,
      hint: 'One of rr, wrr, lc, wlc, sh, mh.',
    });
  }
}

function range(what: string, port: number, least: number): void {
  if (Number.isInteger(port) && port >= least && port <= 65535) return;
  throw invalidArgument(`${what} ${port} is out of range`, {
    value: String(port),
    hint: `A port is a number from ${least} to 65535${least === 0 ? '; 0 lets the swarm choose' : ''}.`,
  });
}

/**
 * Whether two published ports would take the same packets on some node. Of two host-mode ports that is
 * for the scheduler to see: their tasks may be on different nodes. The mesh tells services apart by
 * protocol and port alone, so two of its ports clash whatever their addresses.
 */
function clash(a: PortConfig, b: PortConfig): boolean {
  if (a.publishedPort === 0 || a.publishedPort !== b.publishedPort || a.protocol !== b.protocol) return false;
  if (a.publishMode === PublishMode.INGRESS && b.publishMode === PublishMode.INGRESS) return true;
  return a.hostIp === '' || b.hostIp === '' || a.hostIp === b.hostIp;
}

const bothHost = (a: PortConfig, b: PortConfig): boolean =>
  a.publishMode === PublishMode.HOST && b.publishMode === PublishMode.HOST;

/**
 * @param service its id, when it exists already
 * @throws FAILED_PRECONDITION that names the service which publishes one of these ports
 */
export function checkPortsAreFree(view: ReadView, ports: readonly PortConfig[], service: string | undefined): void {
  const wanted = ports.filter((port) => port.publishedPort !== 0);
  if (wanted.length === 0) return;
  for (const port of wanted) checkIsNotOwnPort(view, port);
  for (const other of view.list('service')) {
    if (other.id === service) continue;
    const taken = publishedBy(other);
    for (const port of wanted) {
      const holder = taken.find((held) => clash(held, port) && !bothHost(held, port));
      if (!holder) continue;
      const as = holder.publishMode === PublishMode.HOST ? 'a host-published' : 'an ingress';
      throw failedPrecondition(
        `port '${portText(port)}' is already in use by service '${other.spec.name}' (${other.id}) as ${as} port`,
        { value: portText(port), hint: 'Publish another port, or remove it from that service first.' },
      );
    }
  }
}

/** A node sends what reaches a published port to tasks: its managers and overlay networks would hear no more. */
function checkIsNotOwnPort(view: ReadView, port: PortConfig): void {
  const refuse = (use: string) =>
    failedPrecondition(`port '${portText(port)}' is the swarm's own: ${use}`, {
      value: portText(port),
      hint: 'Publish another port.',
    });
  if (port.protocol === Protocol.UDP && port.publishedPort === view.cluster().dataPathPort) {
    throw refuse('overlay networks use it');
  }
  if (port.protocol !== Protocol.TCP) return;
  for (const { managerStatus } of view.list('node')) {
    if (managerStatus?.address.endsWith(`:${port.publishedPort}`)) throw refuse('its managers answer there');
  }
}

/** What it asks for and, of ports that it left open, what it was given. */
function publishedBy(service: Service): PortConfig[] {
  return [...service.spec.endpoint.ports, ...service.endpoint.ports];
}
