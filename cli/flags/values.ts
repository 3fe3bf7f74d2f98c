import { isIP } from 'node:net';
import { invalidArgument } from '../../lib/errors.js';
import {
  type Dependency,
  FileReference,
  type GenericReservation,
  NetworkAttachmentConfig,
  type PlacementPreference,
  type Ulimit,
} from '../../proto/gen/specs.js';
import { csvFields, keyValue, requiredValue, unexpectedKey } from './csv.js';

/** Parsers of the smaller flag values. All throw INVALID_ARGUMENT with the value and what is allowed. */

/** `key=value`; a bare `key` has an empty value. */
export function parsePair(text: string): readonly [string, string] {
  const equals = text.indexOf('=');
  const key = equals < 0 ? text : text.slice(0, equals);
  if (key === '')
    throw invalidArgument(`"${text}" has no key`, { value: text, hint: 'It looks like key=value or key.' });
  return [key, equals < 0 ? '' : text.slice(equals + 1)];
}

function recordOf(pairs: Iterable<readonly [string, string]>): Record<string, string> {
  return Object.fromEntries(pairs);
}

/** `KEY=value`, or `KEY` to pass on the caller's own variable (nothing when it has none). */
export function parseEnv(text: string, env: Readonly<Record<string, string | undefined>>): string[] {
  if (text.startsWith('=') || text === '')
    throw invalidArgument(`"${text}" is not an environment variable`, {
      value: text,
      hint: 'It looks like KEY=value.',
    });
  if (text.includes('=')) return [text];
  const own = env[text];
  return own === undefined ? [] : [`${text}=${own}`];
}

/** The lines of an env or label file; empty ones and those that begin with # do not count. */
export function fileLines(text: string): string[] {
  return text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .map((line) => line.trimStart())
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** The variables of an env file: lines `KEY=value` or `KEY`. */
export function parseEnvFile(text: string, env: Readonly<Record<string, string | undefined>>): string[] {
  return fileLines(text).flatMap((line) => {
    if (/\s/.test(line.split('=')[0] ?? ''))
      throw invalidArgument(`variable "${line.split('=')[0]}" contains white space`, { value: line });
    return parseEnv(line, env);
  });
}

/** `--network NAME` or `name=NAME,alias=A,driver-opt=k=v,ip=10.0.9.5`; the target is as the user wrote it. */
export function parseNetwork(text: string): NetworkAttachmentConfig {
  if (!text.includes('=')) {
    if (text === '') throw invalidArgument('the network has no name', { value: text });
    return NetworkAttachmentConfig.create({ target: text });
  }
  let target = '';
  let virtualIp = '';
  const aliases: string[] = [];
  const options: [string, string][] = [];
  for (const field of csvFields(text).map(keyValue)) {
    const value = requiredValue(field);
    if (field.key === 'name') target = value;
    else if (field.key === 'alias') aliases.push(value);
    else if (field.key === 'driver-opt') options.push([...parsePair(value)] as [string, string]);
    else if (field.key === 'ip') virtualIp = ipAddress(value);
    else throw unexpectedKey(field.key, ['name', 'alias', 'driver-opt', 'ip']);
  }
  if (target === '') throw invalidArgument('the network has no name', { value: text, hint: 'Add name=NETWORK.' });
  return { target, aliases, driverOptions: recordOf(options), virtualIp, addresses: [] };
}

function ipAddress(text: string): string {
  if (isIP(text) === 0) throw invalidArgument(`"${text}" is not an IP address`, { value: text });
  return text;
}

/** `name:ip` → `ip name`, as a line of /etc/hosts. */
export function parseHost(text: string): string {
  const separator = text.search(/[:=]/);
  const name = text.slice(0, Math.max(separator, 0));
  if (name === '')
    throw invalidArgument(`"${text}" is not a host mapping`, { value: text, hint: 'It looks like name:10.0.0.5.' });
  return `${ipAddress(text.slice(separator + 1).replace(/^\[(.*)\]$/, '$1'))} ${name}`;
}

/** `spread=node.labels.zone` */
export function parsePlacementPreference(text: string): PlacementPreference {
  const { key, value } = keyValue(text);
  if (key !== 'spread' || !value)
    throw invalidArgument(`"${text}" is not a placement preference`, {
      value: text,
      hint: 'The only strategy is spread=NODE ATTRIBUTE, as in spread=node.labels.zone.',
    });
  return { spread: value };
}

/** `db`, `db:healthy` */
export function parseDependency(text: string): Dependency {
  const [service = '', condition = 'started', ...rest] = text.split(':');
  if (service === '' || rest.length > 0 || !['started', 'healthy', 'completed'].includes(condition))
    throw invalidArgument(`"${text}" is not a dependency`, {
      value: text,
      hint: 'It looks like db, db:started, db:healthy or migrate:completed.',
    });
  return { service, condition };
}

/** `node.role==manager`: checked for its form here; managers check the key. */
export function parseConstraint(text: string): string {
  if (!/^\s*[\w.\-/]+\s*(==|!=)\s*\S.*$/.test(text))
    throw invalidArgument(`"${text}" is not a constraint`, {
      value: text,
      hint: 'A constraint looks like node.role==worker or node.labels.disk!=slow.',
    });
  return text;
}

/** `nofile=1024:2048`, `nproc=512` */
export function parseUlimit(text: string): Ulimit {
  const match = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
  if (!match?.[1])
    throw invalidArgument(`"${text}" is not a ulimit`, { value: text, hint: 'It looks like nofile=1024:2048.' });
  const soft = Number(match[2]);
  const hard = Number(match[3] ?? match[2]);
  if (hard !== -1 && (soft === -1 || soft > hard))
    throw invalidArgument(`the soft limit of "${text}" is above the hard limit`, { value: text });
  return { name: match[1], soft, hard };
}

/** `gpu=2` */
export function parseGenericResource(text: string): GenericReservation {
  const match = /^([^=\s]+)=(\d+)$/.exec(text);
  if (!match?.[1])
    throw invalidArgument(`"${text}" is not a generic resource`, { value: text, hint: 'It looks like gpu=2.' });
  return { kind: match[1], value: Number(match[2]) };
}

/** A value of `--secret` or `--config`: `NAME` or `source=NAME,target=FILE,uid=0,gid=0,mode=0444`. */
export function parseFileReference(text: string): FileReference {
  const base = FileReference.create({ uid: '0', gid: '0', mode: 0o444 });
  if (!text.includes('=')) {
    if (text === '') throw invalidArgument('the reference has no name', { value: text });
    return { ...base, name: text, target: text };
  }
  const fields: { name?: string; target?: string; uid?: string; gid?: string; mode?: number } = {};
  for (const field of csvFields(text).map(keyValue)) {
    const value = requiredValue(field);
    if (field.key === 'source' || field.key === 'src') fields.name = value;
    else if (field.key === 'target') fields.target = value;
    else if (field.key === 'uid') fields.uid = value;
    else if (field.key === 'gid') fields.gid = value;
    else if (field.key === 'mode') {
      if (!/^0?[0-7]{3,4}$/.test(value))
        throw invalidArgument(`"${value}" is not a file mode`, { value, hint: 'A mode is octal, as in 0444.' });
      fields.mode = Number.parseInt(value, 8);
    } else throw unexpectedKey(field.key, ['source', 'target', 'uid', 'gid', 'mode']);
  }
  if (fields.name === undefined)
    throw invalidArgument('the source is missing', { value: text, hint: 'Add source=NAME.' });
  return { ...base, target: fields.name, ...fields, name: fields.name };
}
