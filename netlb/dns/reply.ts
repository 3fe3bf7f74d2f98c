/** Writes answers over their queries, in place: the question stays where it is, the rest follows it. */
import type { Answer } from './answer.js';
import { flags, HEADER, PLAIN_UDP_SIZE, type Query, type Rcode, rcodes } from './query.js';

/** What we take by UDP: what passes everywhere in one piece, as answers from elsewhere come by the same way. */
const OUR_UDP_SIZE = 1232;
const OPT_RECORD = 11;

export type Transport = 'udp' | 'tcp';

/**
 * The longest answer to a query.
 * @param room bytes of the buffer that the query is in
 */
export function replyLimit({ edns }: Pick<Query, 'edns'>, transport: Transport, room: number): number {
  return Math.min(transport === 'tcp' ? 0xffff : (edns?.size ?? PLAIN_UDP_SIZE), room);
}

/**
 * @param limit of the answer's length: what has no room is left out, and TC says so (RFC 2181, 9)
 * @returns the answer's length
 */
export function writeAnswer(message: Buffer, query: Query, { answers, additional }: Answer, limit: number): number {
  const reserved = query.edns ? OPT_RECORD : 0;
  let end = query.end;
  let count = 0;
  let truncated = false;
  if (answers) {
    const { records } = answers;
    const first = answers.turn++;
    while (count < records.length) {
      const record = records[(first + count) % records.length];
      if (!record || end + record.length + reserved > limit) break;
      message.set(record, end);
      end += record.length;
      count++;
    }
    truncated = count < records.length;
  }
  let extra = 0;
  for (const record of truncated ? [] : additional) {
    if (end + record.length + reserved > limit) break;
    message.set(record, end);
    end += record.length;
    extra++;
  }
  writeHeader(message, flags.AA | (truncated ? flags.TC : 0), rcodes.NOERROR);
  message.writeUInt16BE(1, 4);
  message.writeUInt16BE(count, 6);
  message.writeUInt16BE(0, 8);
  message.writeUInt16BE(extra + (query.edns ? 1 : 0), 10);
  return query.edns ? writeOpt(message, end, rcodes.NOERROR, query.edns.dnssecOk) : end;
}

/**
 * An answer that is only a code.
 * @param end of the question; 0: the answer has none
 */
export function writeRefusal(message: Buffer, rcode: Rcode, end: number, edns?: Query['edns']): number {
  writeHeader(message, 0, rcode);
  message.writeUInt16BE(end > 0 ? 1 : 0, 4);
  message.writeUInt16BE(0, 6);
  message.writeUInt16BE(0, 8);
  message.writeUInt16BE(edns ? 1 : 0, 10);
  const length = Math.max(end, HEADER);
  return edns ? writeOpt(message, length, rcode, edns.dnssecOk) : length;
}

/** Opcode, RD and CD stay as they were asked (RFC 1035, 4.1.1; RFC 4035, 3.2.2). */
function writeHeader(message: Buffer, bits: number, rcode: Rcode): void {
  const asked = message.readUInt16BE(2) & (flags.OPCODE | flags.RD | flags.CD);
  message.writeUInt16BE(asked | flags.QR | flags.RA | bits | (rcode & 0xf), 2);
}

/** Version 0, which is all there is, without options (RFC 6891, 6.1.3). */
function writeOpt(message: Buffer, at: number, rcode: Rcode, dnssecOk: boolean): number {
  const OPT = 41;
  message[at] = 0;
  message.writeUInt16BE(OPT, at + 1);
  message.writeUInt16BE(OUR_UDP_SIZE, at + 3);
  message.writeUInt32BE(((rcode >> 4) * 2 ** 24 + (dnssecOk ? 0x8000 : 0)) >>> 0, at + 5);
  message.writeUInt16BE(0, at + 9);
  return at + OPT_RECORD;
}
