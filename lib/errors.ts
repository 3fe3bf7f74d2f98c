/**
 * Errors for the person who reads them. Every error that can reach an operator is a SwarmError: a
 * code that programs act on, the value that was wrong, and what to do about it. Anything else that
 * is thrown is a bug and is reported as INTERNAL.
 */
export type ErrorCode =
  /** The caller's input is wrong whatever the state of the swarm. */
  | 'INVALID_ARGUMENT'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  /** The state of the swarm or machine forbids it now: in use, not a manager, feature missing. */
  | 'FAILED_PRECONDITION'
  /** Made from a version that is no longer the newest: read again and retry. */
  | 'ABORTED'
  | 'UNAUTHENTICATED'
  | 'PERMISSION_DENIED'
  | 'RESOURCE_EXHAUSTED'
  /** Nobody answers now; the same call may succeed later. */
  | 'UNAVAILABLE'
  /** It may have been done or not: who was asked was cut off before it could tell. Not to be repeated blindly. */
  | 'UNKNOWN'
  | 'DEADLINE_EXCEEDED'
  | 'CANCELLED'
  | 'UNIMPLEMENTED'
  | 'INTERNAL';

export interface ErrorDetails {
  /** The offending value, as the user wrote it. */
  readonly value?: string | undefined;
  /** What would be right, or what to do. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

export class SwarmError extends Error {
  override readonly name = 'SwarmError';
  readonly code: ErrorCode;
  readonly value: string | undefined;
  readonly hint: string | undefined;

  /** @param message says what is wrong and names the value; the hint is kept apart and shown after it */
  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.value = details.value;
    this.hint = details.hint;
  }

  /** The message with its hint, as the command line prints it. */
  get text(): string {
    return this.hint ? `${this.message}\n${this.hint}` : this.message;
  }
}

type Make = (message: string, details?: ErrorDetails) => SwarmError;
const make =
  (code: ErrorCode): Make =>
  (message, details) =>
    new SwarmError(code, message, details);

export const invalidArgument = make('INVALID_ARGUMENT');
export const notFound = make('NOT_FOUND');
export const alreadyExists = make('ALREADY_EXISTS');
export const failedPrecondition = make('FAILED_PRECONDITION');
export const aborted = make('ABORTED');
export const unauthenticated = make('UNAUTHENTICATED');
export const permissionDenied = make('PERMISSION_DENIED');
export const resourceExhausted = make('RESOURCE_EXHAUSTED');
export const unavailable = make('UNAVAILABLE');
export const internal = make('INTERNAL');

/** Words for any thrown thing. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Likewise, with what to do about it. */
export function textOf(error: unknown): string {
  return error instanceof SwarmError ? error.text : messageOf(error);
}

export function codeOf(error: unknown): ErrorCode {
  return error instanceof SwarmError ? error.code : 'INTERNAL';
}

/** The errno name of a system error (`ENOENT`), or undefined. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
