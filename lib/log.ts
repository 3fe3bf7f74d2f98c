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

/** A logger of JSON lines on standard error, written synchronously: a crash loses none. */
export function createLogger(level: LogLevel, name: string): Logger {
  return pino({ name, level, base: { name } }, pino.destination({ fd: 2, sync: true }));
}

export const silentLogger: Logger = createLogger('silent', 'silent');
