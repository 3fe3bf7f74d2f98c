import { isIP } from 'node:net';
import { invalidArgument } from '../../lib/errors.js';
import { parseDuration } from '../../lib/units.js';
import { PortConfig, Protocol, PublishMode } from '../../proto/gen/specs.js';
import { csvFields, type KeyValue, keyValue, requiredValue, unexpectedKey } from './csv.js';

const SHORT_HINT = 'A port looks like 8080:80, 8080:80/udp, 127.0.0.1:8080:80, 8000-8003:80-83 or 80.';
const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  tcp: Protocol.TCP,
  udp: Protocol.UDP,
  sctp: Protocol.SCTP,
};
const MODES: Readonly<Record<string, PublishMode>> = { ingress: PublishMode.INGRESS, host: PublishMode.HOST };
const SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh'];
const KEYS = ['target', 'published', 'protocol', 'mode', 'name', 'host-ip', 'scheduler', 'affinity-timeout'];

/**
 * A value of `--publish`: `[IP:][PUBLISHED:]TARGET[/PROTOCOL]`, where both ports may be ranges, or
 * `target=80,published=8080,protocol=tcp,mode=ingress`. One port config for each port of a range.
 * @throws INVALID_ARGUMENT that names the part that is wrong
 */
export function parsePublish(text: string): PortConfig[] {
  return text.includes('=') ? [parseLong(text)] : parseShort(text);
}

function portNumber(text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (port >= 1 && port <= 65535) return port;
  throw invalidArgument(`"${text}" is not a port`, { value: text, hint: 'Ports are numbers from 1 to 65535.' });
}

function protocolOf(text: string): Protocol {
  const protocol = PROTOCOLS[text.toLowerCase()];
  if (protocol === undefined)
    throw invalidArgument(`"${text}" is not a protocol`, { value: text, hint: 'Protocols are tcp, udp and sctp.' });
  return protocol;
}

function hostIp(text: string): string {
  const ip = text.replace(/^\[(.*)\]$/, '$1');
  if (isIP(ip) === 0) throw invalidArgument(`"${text}" is not an IP address`, { value: text, hint: SHORT_HINT });
  return ip;
}

function range(text: string): number[] {
  const [first = '', last, ...more] = text.split('-');
  if (more.length > 0) throw invalidArgument(`"${text}" is not a port range`, { value: text, hint: SHORT_HINT });
  const from = portNumber(first);
  const to = last === undefined ? from : portNumber(last);
  if (to < from) throw invalidArgument(`the range ${text} ends before it begins`, { value: text });
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function parseShort(text: string): PortConfig[] {
  const match = /^(?:(\[[^\]]*\]|[^:]*):)?(?:([^:/[\]]*):)?([^:/]+)(?:\/([^/]*))?$/.exec(text);
  if (!match?.[3]) throw invalidArgument(`"${text}" is not a port mapping`, { value: text, hint: SHORT_HINT });
  const [, first, second, target] = match;
  const ip = second === undefined ? '' : (first ?? '');
  const published = second ?? first ?? '';
  const protocol = protocolOf(match[4] ?? 'tcp');
  const targets = range(target ?? '');
  const common = { protocol, hostIp: ip === '' ? '' : hostIp(ip), publishMode: PublishMode.INGRESS };
  if (published === '') return targets.map((targetPort) => PortConfig.create({ ...common, targetPort }));
  const publishedPorts = range(published);
  if (targets.length !== 1 && targets.length !== publishedPorts.length)
    throw invalidArgument(`the ranges ${published} and ${target} have different lengths`, {
      value: text,
      hint: 'Give as many published ports as target ports, or one target port.',
    });
  return publishedPorts.map((publishedPort, i) =>
    PortConfig.create({ ...common, publishedPort, targetPort: targets[targets.length === 1 ? 0 : i] ?? 0 }),
  );
}

function longField(field: KeyValue): Partial<PortConfig> {
  const value = requiredValue(field);
  switch (field.key) {
    case 'target':
      return { targetPort: portNumber(value) };
    case 'published':
      return { publishedPort: portNumber(value) };
    case 'protocol':
      return { protocol: protocolOf(value) };
    case 'mode': {
      const publishMode = MODES[value];
      if (publishMode === undefined)
        throw invalidArgument(`"${value}" is not a publish mode`, { value, hint: 'Modes are ingress and host.' });
      return { publishMode };
    }
    case 'name':
      return { name: value };
    case 'host-ip':
      return { hostIp: hostIp(value) };
    case 'scheduler':
      if (!SCHEDULERS.includes(value))
        throw invalidArgument(`"${value}" is not a scheduler`, {
          value,
          hint: `Schedulers: ${SCHEDULERS.join(', ')}.`,
        });
      return { scheduler: value };
    case 'affinity-timeout':
      return { affinityTimeout: parseDuration(value) };
    default:
      throw unexpectedKey(field.key, KEYS);
  }
}

function parseLong(text: string): PortConfig {
  const fields = csvFields(text).map((field) => longField(keyValue(field)));
  const port = PortConfig.create(Object.assign({}, ...fields) as Partial<PortConfig>);
  if (port.targetPort === 0)
    throw invalidArgument('the target port is missing', { value: text, hint: 'Add target=PORT, as in target=80.' });
  return port;
}

/** What `--publish-rm` names: a target port with an optional protocol, or a whole port in either syntax. */
export function matchesPublishRm(text: string): (port: PortConfig) => boolean {
  const bare = /^(\d+)(?:\/(\w+))?$/.exec(text);
  if (bare) {
    const target = portNumber(bare[1] ?? '');
    const protocol = bare[2] === undefined ? undefined : protocolOf(bare[2]);
    return (port) => port.targetPort === target && (protocol === undefined || port.protocol === protocol);
  }
  const wanted = parsePublish(text);
  return (port) =>
    wanted.some(
      (w) =>
        w.targetPort === port.targetPort &&
        w.protocol === port.protocol &&
        (w.publishedPort === 0 || w.publishedPort === port.publishedPort),
    );
}
