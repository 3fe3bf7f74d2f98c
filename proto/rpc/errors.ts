import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { type ErrorCode, messageOf, SwarmError } from '../../lib/errors.js';

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
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  CANCELLED: status.CANCELLED,
  UNIMPLEMENTED: status.UNIMPLEMENTED,
  INTERNAL: status.INTERNAL,
};
const codeByStatus = new Map<status, ErrorCode>(Object.entries(statusOf).map(([code, s]) => [s, code as ErrorCode]));

/** What a server answers for a thrown thing: its code, its words, and the value and hint as metadata. */
export function toStatus(error: unknown): Partial<ServiceError> & { code: status; details: string } {
  if (!(error instanceof SwarmError)) return { code: status.INTERNAL, details: messageOf(error) };
  const metadata = new Metadata();
  metadata.set(DETAILS_KEY, Buffer.from(JSON.stringify({ value: error.value, hint: error.hint })));
  return { code: statusOf[error.code], details: error.message, metadata };
}

/** The SwarmError that the other side threw, or one that says that nobody answered. */
export function fromStatus(error: ServiceError): SwarmError {
  const extra = error.metadata?.get(DETAILS_KEY)[0];
  const details = extra === undefined ? {} : (JSON.parse(extra.toString()) as { value?: string; hint?: string });
  return new SwarmError(codeByStatus.get(error.code) ?? 'INTERNAL', error.details || error.message, {
    ...details,
    cause: error,
  });
}
