import { isIP } from 'node:net';
import { invalidArgument } from '../../lib/errors.js';
import { canonicalAddress } from '../../lib/ip.js';
import { isScheduler, SCHEDULERS } from '../../lib/schedulers.js';
import { parseDuration } from '../../lib/units.js';
import { PortConfig, type Protocol, PublishMode } from '../../proto/gen/specs.js';
import { protocolNamed } from '../../proto/ports.js';
import { csvFields, keyValue, requiredValue, unexpectedKey } from './csv.js';

const SHORT_HINT = 'A port looks like 8080:80, 8080:80/udp, 127.0.0.1:8080:80, 8000-8003:80-83 or 80.';
const MODES: Readonly<Record<string, PublishMode>> = { ingress: PublishMode.INGRESS, host: PublishMode.HOST };

/**
 * A value of `--publish`: `[IP:][PUBLISHED:]TARGET[/PROTOCOL]`, or
 * `target=80,published=8080,protocol=tcp,mode=ingress,ip=192.0.2.7,name=http`. Both ports may be ranges in either
 * syntax: as many of one as of the other, or all published ports for one target. In host mode such a range is one
 * from which each node chooses a free port. One port config for each port that is published for sure.
 * @param mode when the text does not say it
 * @throws INVALID_ARGUMENT that names the part that is wrong
 */
export function parsePublish(text: string, mode: PublishMode = PublishMode.INGRESS): PortConfig[] {
  return text.includes('=') ? parseLong(text, mode) : parseShort(text, mode);
}

function portNumber(text: string): number {
  const port = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (port >= 1 && port <= 65535) return port;
  throw invalidArgument(`"${text}" is not a port`, { value: text, hint: 'Ports are numbers from 1 to 65535.' });
}

function protocolOf(text: string): Protocol {
  const protocol = protocolNamed(text.toLowerCase());
  if (protocol === undefined)
    throw invalidArgument(`"${text}" is not a protocol`, { value: text, hint: 'Protocols are tcp, udp and sctp.' });
  return protocol;
}

function hostIp(text: string): string {
  const ip = text.replace(/^\[(.*)\]$/, '$1');
  if (isIP(ip) === 0) throw invalidArgument(`"${text}" is not an IP address`, { value: text, hint: SHORT_HINT });
  return canonicalAddress(ip);
}

/** First and last of `8000-8003`, or of `80`. */
type Range = readonly [number, number];

function range(text: string): Range {
  const [first = '', last, ...more] = text.split('-');
  if (more.length > 0) throw invalidArgument(`"${text}" is not a port range`, { value: text, hint: SHORT_HINT });
  const from = portNumber(first);
  const to = last === undefined ? from : portNumber(last);
  if (to < from)
    throw invalidArgument(`the range ${text} ends before it begins`, { value: text, hint: `Write ${to}-${from}.` });
  return [from, to];
}

/** Undefined where it is left open: not given, or 0, as Docker has it. */
const publishedRange = (text: string): Range | undefined => (text === '' || text === '0' ? undefined : range(text));

const sizeOf = ([from, to]: Range): number => to - from + 1;
const rangeText = ([from, to]: Range): string => (from === to ? `${from}` : `${from}-${to}`);

/** @param published undefined: left open; @param text what was written, for messages */
function expand(text: string, published: Range | undefined, target: Range, common: Partial<PortConfig>): PortConfig[] {
  const count = sizeOf(published ?? target);
  const made = (i: number, publishedPort: number) =>
    PortConfig.create({ ...common, publishedPort, targetPort: target[0] + (sizeOf(target) === 1 ? 0 : i) });
  const all = Array.from({ length: count }, (_, i) => i);
  if (published === undefined) return all.map((i) => made(i, 0));
  if (sizeOf(target) !== 1 && sizeOf(target) !== count)
    throw invalidArgument(
      `the ranges ${rangeText(published)} and ${rangeText(target)} have different lengths: ${count} and ${sizeOf(target)}`,
      { value: text, hint: 'Give as many published ports as target ports, or one target port.' },
    );
  if (common.publishMode === PublishMode.HOST && count > sizeOf(target))
    return [{ ...made(0, published[0]), publishedLast: published[1] }];
  return all.map((i) => made(i, published[0] + i));
}

function parseShort(text: string, publishMode: PublishMode): PortConfig[] {
  const match = /^(?:(\[[^\]]*\]|[^:]*):)?(?:([^:/[\]]*):)?([^:/]+)(?:\/([^/]*))?$/.exec(text);
  if (!match?.[3]) throw invalidArgument(`"${text}" is not a port mapping`, { value: text, hint: SHORT_HINT });
  const [, first, second, target = ''] = match;
  const ip = second === undefined ? '' : (first ?? '');
  const published = second ?? first ?? '';
  const common = { publishMode, protocol: protocolOf(match[4] ?? 'tcp'), hostIp: ip === '' ? '' : hostIp(ip) };
  return expand(text, publishedRange(published), range(target), common);
}

/** Fields of the long syntax, each with what its value makes of a port. `target` and `published` are ranges. */
const FIELDS: Readonly<Record<string, (value: string) => Partial<PortConfig>>> = {
  target: () => ({}),
  published: () => ({}),
  protocol: (value) => ({ protocol: protocolOf(value) }),
  mode: (value) => ({ publishMode: modeOf(value) }),
  name: (name) => ({ name }),
  ip: (value) => ({ hostIp: hostIp(value) }),
  scheduler: (value) => ({ scheduler: schedulerOf(value) }),
  affinity: (value) => ({ affinityTimeout: parseDuration(value) }),
};

/** What fields are called elsewhere: by `docker run`'s own words, and by compose files. */
const OTHER_NAMES: Readonly<Record<string, string>> = { 'host-ip': 'ip', host_ip: 'ip' };

function modeOf(value: string): PublishMode {
  const mode = MODES[value];
  if (mode !== undefined) return mode;
  throw invalidArgument(`"${value}" is not a publish mode`, { value, hint: 'Modes are ingress and host.' });
}

function schedulerOf(value: string): string {
  if (isScheduler(value)) return value;
  throw invalidArgument(`"${value}" is not a scheduler`, { value, hint: `Schedulers: ${SCHEDULERS.join(', ')}.` });
}

function parseLong(text: string, publishMode: PublishMode): PortConfig[] {
  const given = new Map<string, string>();
  let common: Partial<PortConfig> = { publishMode };
  for (const field of csvFields(text).map(keyValue)) {
    const key = OTHER_NAMES[field.key] ?? field.key;
    const parse = FIELDS[key];
    if (parse === undefined) throw unexpectedKey(field.key, Object.keys(FIELDS));
    const value = requiredValue(field);
    if (given.has(key)) throw invalidArgument(`the field "${key}" is given twice`, { value: text });
    given.set(key, value);
    common = { ...common, ...parse(value) };
  }
  const target = given.get('target');
  const published = given.get('published') ?? '';
  if (target === undefined)
    throw invalidArgument('the target port is missing', { value: text, hint: 'Add target=PORT, as in target=80.' });
  return expand(text, publishedRange(published), range(target), common);
}

/** What `--publish-rm` names: a target port with an optional protocol, or a whole port in either syntax. */
export function matchesPublishRm(text: string): (port: PortConfig) => boolean {
  const bare = /^(\d+)(?:\/(\w+))?$/.exec(text);
  if (bare) {
    const target = portNumber(bare[1] ?? '');
    const protocol = bare[2] === undefined ? undefined : protocolOf(bare[2]);
    return (port) => port.targetPort === target && (protocol === undefined || port.protocol === protocol);
  }
  // A range is one port in host mode, and as many as it has numbers in the other.
  const wanted = {
    [PublishMode.INGRESS]: parsePublish(text, PublishMode.INGRESS),
    [PublishMode.HOST]: parsePublish(text, PublishMode.HOST),
  };
  return (port) =>
    wanted[port.publishMode].some(
      (w) =>
        w.targetPort === port.targetPort &&
        w.protocol === port.protocol &&
        (w.publishedPort === 0 || (w.publishedPort === port.publishedPort && w.publishedLast === port.publishedLast)) &&
        (w.hostIp === '' || w.hostIp === port.hostIp),
    );
}
