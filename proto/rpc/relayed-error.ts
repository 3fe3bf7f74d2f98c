import { messageOf, SwarmError } from '../../lib/errors.js';
import { RelayError } from '../gen/relay.js';
import { errorCodeOf } from './errors.js';

/** An error as a message, for streams that carry more than one call. Anything but a SwarmError is a bug: INTERNAL. */
export function toRelayed(error: unknown): RelayError {
  if (!(error instanceof SwarmError)) return RelayError.create({ code: 'INTERNAL', message: messageOf(error) });
  const { code, message, value, hint } = error;
  return RelayError.create({ code, message, value, hint });
}

export function fromRelayed(error: RelayError): SwarmError {
  return new SwarmError(errorCodeOf(error.code), error.message, error);
}
