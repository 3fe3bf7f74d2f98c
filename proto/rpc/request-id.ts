import type { Metadata } from '@grpc/grpc-js';
import { invalidArgument } from '../../lib/errors.js';
import { isRequestId, newRequestId } from '../../lib/ids.js';

/** The header by which a caller names its call. */
export const REQUEST_ID = 'x-request-id';

/** The caller's own, or one that is made for it. @throws INVALID_ARGUMENT for one that cannot be taken */
export function requestIdOf(metadata: Metadata): string {
  const given = metadata.get(REQUEST_ID)[0]?.toString();
  if (given === undefined) return newRequestId();
  if (isRequestId(given)) return given;
  throw invalidArgument(`"${given}" cannot be the id of a call`, {
    value: given,
    hint: `The header ${REQUEST_ID} is 1 to 64 letters, digits and -_.:`,
  });
}
