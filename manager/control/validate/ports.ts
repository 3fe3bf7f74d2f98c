import { failedPrecondition, invalidArgument } from '../../../lib/errors.js';
import { isAddress } from '../../../lib/ip.js';
import { isScheduler, SCHEDULERS } from '../../../lib/schedulers.js';
import {
  EndpointMode,
  type EndpointSpec,
  type PortConfig,
  Protocol,
  ProtocolName,
  PublishMode,
  type Service,
} from '../../../proto/gen/index.js';
import { includesPort, isHostMode, isRange, publishedText } from '../../../proto/ports.js';
import { mayClash } from '../../common/published-ports.js';
import type { ReadView } from '../../store/store.js';

/** @throws INVALID_ARGUMENT for what is wrong whatever the swarm's state */
export function checkEndpointSpec(endpoint: EndpointSpec): void {
  for (const [index, port] of endpoint.ports.entries()) {
    checkPort(port);
    if (endpoint.mode === EndpointMode.DNSRR && port.publishMode === PublishMode.INGRESS) {
      throw invalidArgument(
        `port ${port.publishedPort || port.targetPort} cannot be published on all nodes with dnsrr`,
        {
          value: publishedText(port),
          hint: 'Use --endpoint-mode vip, or publish it with mode=host.',
        },
      );
    }
    const others = endpoint.ports.slice(0, index);
    const split = others.find((other) => isSplit(other, port));
    if (split)
      throw invalidArgument(
        `port ${publishedText(port)} leads to port ${port.targetPort} of the tasks, and ${publishedText(split)} to their port ${split.targetPort}`,
        { value: publishedText(port), hint: 'One published port has one target, on whatever addresses of the nodes.' },
      );
    const twin = others.find((other) => areTwins(other, port));
    if (twin)
      throw invalidArgument(`port ${publishedText(port)} is published twice by this service`, {
        value: publishedText(port),
        hint: `It is published for its port ${twin.targetPort} already: take that away first, or publish another one.`,
      });
  }
}

/** Tasks are told the published port by the mesh, and not on which address of a node it was called. */
function isSplit(a: PortConfig, b: PortConfig): boolean {
  if (isHostMode(a) || isHostMode(b) || a.publishedPort === 0 || mayClash(a, b)) return false;
  return a.protocol === b.protocol && a.publishedPort === b.publishedPort && a.targetPort !== b.targetPort;
}

/** A task that may choose from a range finds two. */
function areTwins(a: PortConfig, b: PortConfig): boolean {
  return mayClash(a, b) && !(bothHost(a, b) && (isRange(a) || isRange(b)));
}

function checkPort(port: PortConfig): void {
  range('target port', port.targetPort, 1);
  range('published port', port.publishedPort, 0);
  checkRange(port);
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
  if (port.scheduler !== '' && !isScheduler(port.scheduler)) {
    throw invalidArgument(`"${port.scheduler}" is not a way to spread connections`, {
      value: port.scheduler,
      hint: `One of ${SCHEDULERS.join(', ')}.`,
    });
  }
  checkSpread(port);
}

const SECOND = 1e9;
const WEEK = 7 * 24 * 3600 * SECOND;

/** What of a port says how its connections are spread is for ports that lead to several tasks. */
function checkSpread({ publishMode, scheduler, affinityTimeout, publishedPort, targetPort }: PortConfig): void {
  const port = publishedPort || targetPort;
  if (affinityTimeout !== 0 && (affinityTimeout < SECOND || affinityTimeout > WEEK || affinityTimeout % SECOND !== 0)) {
    throw invalidArgument(`affinity ${affinityTimeout / SECOND}s of port ${port} is out of range`, {
      value: `${affinityTimeout / SECOND}s`,
      hint: 'A client keeps its task for whole seconds, from 1s to 168h; 0 is not at all.',
    });
  }
  if (publishMode === PublishMode.HOST && (scheduler !== '' || affinityTimeout > 0)) {
    throw invalidArgument(`port ${port} with mode=host leads to one task: it has no scheduler and no affinity`, {
      value: scheduler || `${affinityTimeout / SECOND}s`,
      hint: 'Leave them out, or use mode=ingress.',
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

function checkRange(port: PortConfig): void {
  const { publishedPort, publishedLast } = port;
  if (publishedLast === 0) return;
  range('last published port', publishedLast, 1);
  const words = `${publishedPort}-${publishedLast}`;
  if (publishedPort === 0 || publishedLast < publishedPort)
    throw invalidArgument(`${words} is not a range of ports`, {
      value: words,
      hint: 'Its last port is not below its first.',
    });
  if (!isHostMode(port))
    throw invalidArgument(`port ${port.targetPort} cannot be published on one of ${words} on all nodes`, {
      value: words,
      hint: 'Nodes choose from a range in host mode only: add mode=host, or publish each port.',
    });
}

/** Of two host-mode ports a clash is for the scheduler to see: their tasks may be on different nodes. */
const bothHost = (a: PortConfig, b: PortConfig): boolean => isHostMode(a) && isHostMode(b);

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
      const holder = taken.find((held) => mayClash(held, port) && !bothHost(held, port));
      if (!holder) continue;
      const as = isHostMode(holder) ? 'a host-published' : 'an ingress';
      const where = publishedText(holder) === publishedText(port) ? '' : ` (${publishedText(holder)})`;
      throw failedPrecondition(
        `port '${publishedText(port)}' is already in use by service '${other.spec.name}' (${other.id}) as ${as} port${where}`,
        { value: publishedText(port), hint: 'Publish another port, or remove it from that service first.' },
      );
    }
  }
}

/** A node sends what reaches a published port to tasks: its managers and overlay networks would hear no more. */
function checkIsNotOwnPort(view: ReadView, port: PortConfig): void {
  const refuse = (use: string) =>
    failedPrecondition(`port '${publishedText(port)}' is the swarm's own: ${use}`, {
      value: publishedText(port),
      hint: 'Publish another port.',
    });
  if (port.protocol === Protocol.UDP && includesPort(port, view.cluster().dataPathPort)) {
    throw refuse('overlay networks use it');
  }
  if (port.protocol !== Protocol.TCP) return;
  for (const { managerStatus } of view.list('node')) {
    const [, number = '0'] = /:(\d+)$/.exec(managerStatus?.address ?? '') ?? [];
    if (includesPort(port, Number(number))) throw refuse('its managers answer there');
  }
}

/** What it asks for and, of ports that it left open, what it was given. */
function publishedBy(service: Service): PortConfig[] {
  return [...service.spec.endpoint.ports, ...service.endpoint.ports];
}
