import { answer } from './answer.js';
import { CLASS_ANY, CLASS_IN, type Query, rcodes, readQuery, recordTypes } from './query.js';
import { replyLimit, type Transport, writeAnswer, writeRefusal } from './reply.js';
import type { ZoneIndex } from './zone-index.js';

/** What becomes of a query. */
export type Outcome =
  /** An answer of this length has taken its place. */
  | number
  /** It is to be answered by others. The message is as it was. */
  | Query
  /** It gets no answer. */
  | undefined;

/**
 * Answers what can be answered at once, in place.
 * @param forward whether there is somebody to ask for names of elsewhere
 */
export function respond(
  message: Buffer,
  length: number,
  transport: Transport,
  zones: readonly ZoneIndex[],
  forward: boolean,
): Outcome {
  const query = readQuery(message, length);
  if (query === undefined) return undefined;
  if ('refuse' in query) return writeRefusal(message, query.refuse, query.end);
  const { end, edns } = query;
  if (edns && edns.version > 0) return writeRefusal(message, rcodes.BADVERS, end, edns);
  // Zones are not for copying: RFC 5936 lets a server refuse.
  if (query.type === recordTypes.AXFR || query.type === recordTypes.IXFR)
    return writeRefusal(message, rcodes.REFUSED, end, edns);
  if (query.class === CLASS_IN || query.class === CLASS_ANY) {
    const found = answer(query, zones);
    if (found) return writeAnswer(message, query, found, replyLimit(query, transport, message.length));
  }
  return forward ? query : writeRefusal(message, rcodes.REFUSED, end, edns);
}
