/** Where the state machine tells what it does; one line a call, node ids in hexadecimal. */
export interface RaftLogger {
  debug(line: string): void;
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

const ignore = (): void => {};

export const silentLogger: RaftLogger = { debug: ignore, info: ignore, warn: ignore, error: ignore };

export const hex = (id: number): string => id.toString(16);
