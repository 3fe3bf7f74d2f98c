import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { diskError } from '../../lib/disk-errors.js';
import { type ErrorCode, type ErrorDetails, messageOf, SwarmError } from '../../lib/errors.js';

const DETAILS_KEY = 'tsswarm-error-bin';

const statusOf: Readonly<Record<ErrorCode, status>> = {
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  NOT_FOUND: status.NOT_FOUND,
  ALREADY_EXISTS: status.ALREADY_EXISTS,
  FAILED_PRECONDITION: status.FAILED_PRECONDITION,
  ABORTED: status.ABORTED,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  PERMISSION_DENIED: status.PERMISSION_DENIED,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  UNAVAILABLE: status.UNAVAILABLE,
  UNKNOWN: status.UNKNOWN,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  CANCELLED: status.CANCELLED,
  UNIMPLEMENTED: status.UNIMPLEMENTED,
  INTERNAL: status.INTERNAL,
};
/** The code of an error that came as text; INTERNAL for one that this version does not know. */
export const errorCodeOf = (text: string): ErrorCode =>
  Object.hasOwn(statusOf, text) ? (text as ErrorCode) : 'INTERNAL';

const codeByStatus = new Map<status, ErrorCode>(Object.entries(statusOf).map(([code, s]) => [s, code as ErrorCode]));

/** What a server answers for a thrown thing: its code, its words, and the value and hint as metadata. */
export function toStatus(thrown: unknown): Partial<ServiceError> & { code: status; details: string } {
  const error = diskError(thrown) ?? thrown;
  const metadata = new Metadata();
  const details = error instanceof SwarmError ? { value: error.value, hint: error.hint } : {};
  metadata.set(DETAILS_KEY, Buffer.from(JSON.stringify(details)));
  if (!(error instanceof SwarmError)) return { code: status.INTERNAL, details: messageOf(error), metadata };
  return { code: statusOf[error.code], details: error.message, metadata };
}

/** The SwarmError that the other side threw, or one that says that nobody answered. */
export function fromStatus(error: ServiceError): SwarmError {
  return new SwarmError(codeByStatus.get(error.code) ?? 'INTERNAL', error.details || error.message, {
    ...detailsOf(error.metadata),
    cause: error,
  });
}

/** The other side may be of another version, or no tsswarm at all: what it sends is taken for what it is. */
function detailsOf(metadata: Metadata | undefined): ErrorDetails {
  const extra = metadata?.get(DETAILS_KEY)[0];
  if (extra === undefined) return {};
  try {
    const details = JSON.parse(extra.toString()) as Partial<Record<'value' | 'hint', unknown>> | null;
    const text = (part: unknown) => (typeof part === 'string' ? part : undefined);
    return { value: text(details?.value), hint: text(details?.hint) };
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

/** Whether the other side itself answered with this error. False when its connection could not be made, or ended. */
export function wasAnswered(error: unknown): boolean {
  const cause = error instanceof SwarmError ? (error.cause as Partial<ServiceError> | undefined) : undefined;
  return typeof cause?.code === 'number' && cause.metadata?.get(DETAILS_KEY)[0] !== undefined;
}

/**
 * Whether an error of a call says that the connection ended before an answer came: what was asked may
 * have been done. False when the call never left, because nobody listens there.
 */
export function connectionBroke(error: unknown): boolean {
  if (!(error instanceof SwarmError) || wasAnswered(error)) return false;
  return BROKEN.has(error.code) && !/^No connection established/.test(error.message);
}

const BROKEN: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'CANCELLED', 'INTERNAL', 'UNKNOWN']);
