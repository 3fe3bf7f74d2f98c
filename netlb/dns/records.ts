import { type Answer, encode } from 'dns-packet';

/**
 * Seconds that an answer may be kept. A task's names go when it stops, and others take its address: nothing
 * that caches may go on with it. Asking again costs a container some ten microseconds, and no network.
 */
const TTL = 1;

/** Records of one type and owner, ready to be sent. */
export interface RecordSet {
  readonly records: readonly Uint8Array[];
  /** Counts answers: each begins with the next record. The one thing of a zone's index that asking changes. */
  turn: number;
}

type Data = { readonly type: 'A' | 'AAAA' | 'PTR'; readonly data: string } | SrvData;
type SrvData = { readonly type: 'SRV'; readonly data: { readonly port: number; readonly target: string } };

/** A pointer to the name of the question, which follows the header: the owner of every answer. */
const OWNER = Buffer.from([0xc0, 0x0c]);
const HEADER_AND_ROOT_NAME = 13;
const HEADER = 12;

/** A record of the name that is asked for. */
export function answerRecord(data: Data): Uint8Array {
  return Buffer.concat([OWNER, encodeRecord('.', data).subarray(HEADER_AND_ROOT_NAME)]);
}

/** A record of another name, for the additional section. */
export function namedRecord(name: string, data: Data): Uint8Array {
  return encodeRecord(name, data).subarray(HEADER);
}

export function recordSet(records: readonly Uint8Array[]): RecordSet | undefined {
  return records.length > 0 ? { records, turn: 0 } : undefined;
}

function encodeRecord(name: string, data: Data): Buffer {
  return encode({ answers: [{ name, ttl: TTL, class: 'IN', ...data } as Answer] });
}
