import { invalidArgument } from '../../../../lib/errors.js';
import { parseDuration } from '../../../../lib/units.js';
import { parseSignal } from '../../signals.js';

/** The `config` object of an image configuration (OCI image-spec, config.md), as far as changes can set it. */
export interface ImageSettings {
  Cmd?: string[];
  Entrypoint?: string[];
  Env?: string[];
  ExposedPorts?: Record<string, object>;
  WorkingDir?: string;
  User?: string;
  Labels?: Record<string, string>;
  Volumes?: Record<string, object>;
  StopSignal?: string;
  /** Docker's extension of the format; times are nanoseconds. */
  Healthcheck?: HealthcheckSettings;
}

interface HealthcheckSettings {
  Test: string[];
  Interval?: number;
  Timeout?: number;
  StartPeriod?: number;
  StartInterval?: number;
  Retries?: number;
}

const HINT =
  'Changes are CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, STOPSIGNAL, USER, VOLUME and WORKDIR lines, as in a Dockerfile.';

/** `["a", "b"]` as a list, anything else as a shell's command line. */
function command(argument: string, line: string): string[] {
  if (!argument.startsWith('[')) return ['/bin/sh', '-c', argument];
  let list: unknown;
  try {
    list = JSON.parse(argument);
  } catch (cause) {
    throw invalidArgument(`"${line}" is not a JSON list`, { value: line, hint: 'Write CMD ["prog", "arg"].', cause });
  }
  if (!Array.isArray(list) || !list.every((item) => typeof item === 'string')) {
    throw invalidArgument(`"${line}" is not a list of strings`, { value: line, hint: 'Write CMD ["prog", "arg"].' });
  }
  return list;
}

/** Splits at blanks outside quotes; quotes and backslashes are taken away. */
export function words(argument: string): string[] {
  const found = argument.match(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/g) ?? [];
  return found.map((word) =>
    word.replace(/"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/g, (_, double?: string, single?: string, escaped?: string) =>
      double !== undefined ? double.replace(/\\(.)/g, '$1') : (single ?? escaped ?? ''),
    ),
  );
}

/** `A=b C="d e"`, or the old form `A b c`. */
function pairs(argument: string, line: string): [string, string][] {
  const list = words(argument);
  if (!list[0]?.includes('=')) {
    const match = /^(\S+)\s+(.*)$/.exec(argument);
    if (!match) throw invalidArgument(`"${line}" has no value`, { value: line, hint: 'Write ENV NAME=value.' });
    return [[match[1] ?? '', match[2] ?? '']];
  }
  return list.map((word) => {
    const equals = word.indexOf('=');
    if (equals <= 0) throw invalidArgument(`"${line}": "${word}" is not NAME=value`, { value: line });
    return [word.slice(0, equals), word.slice(equals + 1)];
  });
}

function ports(argument: string, line: string): string[] {
  return words(argument).map((word) => {
    const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(word.toLowerCase());
    if (!match || Number(match[1]) < 1 || Number(match[1]) > 65535) {
      throw invalidArgument(`"${line}": "${word}" is not a port`, { value: word, hint: 'Write EXPOSE 8080/tcp.' });
    }
    return `${Number(match[1])}/${match[2] ?? 'tcp'}`;
  });
}

/** `/data /logs` or `["/data", "/logs"]`. */
function volumes(argument: string, line: string): string[] {
  const paths = argument.startsWith('[') ? command(argument, line) : words(argument);
  const wrong = paths.find((path) => !path.startsWith('/'));
  if (wrong === undefined) return paths;
  throw invalidArgument(`"${line}": "${wrong}" is not an absolute path`, { value: wrong, hint: 'Write VOLUME /data.' });
}

const DURATIONS = {
  interval: 'Interval',
  timeout: 'Timeout',
  'start-period': 'StartPeriod',
  'start-interval': 'StartInterval',
} as const;

/** `NONE`, or `[--interval=5s …] CMD …`. */
function healthcheck(argument: string, line: string): HealthcheckSettings {
  const bad = (what: string) =>
    invalidArgument(`"${line}" ${what}`, {
      value: line,
      hint: 'Write HEALTHCHECK --interval=5s CMD prog arg, or NONE.',
    });
  if (/^NONE$/i.test(argument)) return { Test: ['NONE'] };
  const match = /^((?:--\S+\s+)*)CMD\s+(.+)$/is.exec(argument);
  if (!match) throw bad('has no command');
  const [, options = '', text = ''] = match;
  const settings: HealthcheckSettings = {
    Test: text.startsWith('[') ? ['CMD', ...command(text, line)] : ['CMD-SHELL', text],
  };
  for (const option of words(options)) {
    const [name = '', value = ''] = option.slice(2).split(/=(.*)/s);
    if (name === 'retries' && /^[1-9]\d*$/.test(value)) settings.Retries = Number(value);
    else if (Object.hasOwn(DURATIONS, name)) settings[DURATIONS[name as keyof typeof DURATIONS]] = parseDuration(value);
    else throw bad(`has a wrong option, "${option}"`);
  }
  return settings;
}

/**
 * What Dockerfile lines make of an image's settings.
 * @throws INVALID_ARGUMENT that names the line
 */
export function applyChanges(lines: readonly string[]): ImageSettings {
  const settings: ImageSettings = {};
  for (const line of lines) {
    const match = /^\s*([A-Za-z]+)\s+(.*\S)\s*$/s.exec(line);
    if (!match) throw invalidArgument(`"${line}" is not a change`, { value: line, hint: HINT });
    const argument = match[2] ?? '';
    switch (match[1]?.toUpperCase()) {
      case 'CMD':
        settings.Cmd = command(argument, line);
        break;
      case 'ENTRYPOINT':
        settings.Entrypoint = command(argument, line);
        break;
      case 'ENV':
        for (const [name, value] of pairs(argument, line)) {
          settings.Env = [...(settings.Env ?? []).filter((entry) => !entry.startsWith(`${name}=`)), `${name}=${value}`];
        }
        break;
      case 'EXPOSE':
        for (const port of ports(argument, line)) settings.ExposedPorts = { ...settings.ExposedPorts, [port]: {} };
        break;
      case 'WORKDIR':
        settings.WorkingDir = argument.startsWith('/') ? argument : `${settings.WorkingDir ?? ''}/${argument}`;
        break;
      case 'USER':
        settings.User = argument;
        break;
      case 'LABEL':
        settings.Labels = { ...settings.Labels, ...Object.fromEntries(pairs(argument, line)) };
        break;
      case 'VOLUME':
        for (const path of volumes(argument, line)) settings.Volumes = { ...settings.Volumes, [path]: {} };
        break;
      case 'HEALTHCHECK':
        settings.Healthcheck = healthcheck(argument, line);
        break;
      case 'STOPSIGNAL':
        parseSignal(argument);
        settings.StopSignal = argument;
        break;
      default:
        throw invalidArgument(`"${match[1]}" cannot be changed at import`, { value: line, hint: HINT });
    }
  }
  return settings;
}
