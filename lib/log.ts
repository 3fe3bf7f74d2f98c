import pino from 'pino';

/** What rooms log with: pino's shape, so that a child carries the ids of what it is about. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Logger;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/** Bytes that are kept while they cannot be written. */
const BACKLOG = 1 << 20;

/**
 * A logger of JSON lines, written synchronously: a crash loses none. What cannot be written, as to a file on a full disk,
 * ends nobody: it comes with the first line that can be, and what was too much to keep is counted there.
 * @param fd standard error when left out
 */
export function createLogger(level: LogLevel, name: string, fd = 2): Logger {
  const destination = pino.destination({ fd, sync: true, maxLength: BACKLOG });
  const log = pino({ name, level, base: { name } }, destination);
  let lost = 0;
  destination.on('error', () => {});
  destination.on('drop', () => {
    lost++;
  });
  destination.on('write', () => {
    if (lost === 0) return;
    const lines = lost;
    lost = 0;
    log.warn({ lines }, `${lines} lines of this log could not be written, and are lost`);
  });
  return log;
}

export const silentLogger: Logger = createLogger('silent', 'silent');
