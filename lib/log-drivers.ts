import { invalidArgument } from './errors.js';
import { parseBytes } from './units.js';

export const LOG_DRIVERS = ['json-file', 'local', 'none'] as const;
export type LogDriverName = (typeof LOG_DRIVERS)[number];

/** How a node keeps what a container writes. */
export interface LogSettings {
  readonly driver: LogDriverName;
  /** At this size a file is followed by the next; the file that is being written may be larger for a second. */
  readonly maxBytes: number;
  /** With the one that is being written. */
  readonly maxFiles: number;
}

/** Nothing fills a disk that nobody has thought of. */
const DEFAULTS: Readonly<Record<LogDriverName, LogSettings>> = {
  'json-file': { driver: 'json-file', maxBytes: 10 * 2 ** 20, maxFiles: 3 },
  local: { driver: 'local', maxBytes: 20 * 2 ** 20, maxFiles: 5 },
  none: { driver: 'none', maxBytes: 0, maxFiles: 0 },
};
/** `labels` and `env` name what `logs --details` shows. */
const OPTIONS = ['max-size', 'max-file', 'labels', 'env'];

/**
 * What a driver's name and options say; without a name it is json-file.
 * @throws INVALID_ARGUMENT that names the value
 */
export function logSettings(name: string, options: Readonly<Record<string, string>>): LogSettings {
  const driver = LOG_DRIVERS.find((known) => known === (name || 'json-file'));
  if (!driver) {
    throw invalidArgument(`there is no log driver "${name}"`, {
      value: name,
      hint: `There are ${LOG_DRIVERS.join(', ')}.`,
    });
  }
  const unknown = Object.keys(options).find((key) => driver === 'none' || !OPTIONS.includes(key));
  if (unknown !== undefined) {
    throw invalidArgument(`unknown log opt '${unknown}' for ${driver} log driver`, {
      value: unknown,
      hint: driver === 'none' ? 'It takes none.' : `Options are ${OPTIONS.join(', ')}.`,
    });
  }
  const { maxBytes, maxFiles } = DEFAULTS[driver];
  const { 'max-size': size, 'max-file': files } = options;
  return {
    driver,
    maxBytes: size === undefined ? maxBytes : sizeOf(size),
    maxFiles: files === undefined ? maxFiles : countOf(files),
  };
}

/** What `logs --details` shows of a container's labels and environment: `a=1,B=2`. */
export function logAttributes(
  options: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>>,
  env: readonly string[],
): string {
  const listed = (key: string) => (options[key] ?? '').split(',').filter((name) => name !== '');
  const variables = new Map(env.map((entry) => [entry.split('=', 1)[0] ?? '', entry]));
  return [
    ...listed('labels').flatMap((name) => (Object.hasOwn(labels, name) ? [`${name}=${labels[name]}`] : [])),
    ...listed('env').flatMap((name) => variables.get(name) ?? []),
  ].join(',');
}

function sizeOf(text: string): number {
  const bytes = parseBytes(text);
  if (bytes > 0) return bytes;
  throw invalidArgument(`invalid value for max-size: ${text}`, { value: text, hint: 'A size looks like 10m.' });
}

function countOf(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw invalidArgument(`invalid value for max-file: ${text}`, { value: text, hint: 'It is 1 to 9999.' });
}
