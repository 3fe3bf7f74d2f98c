/**
 * Reads a query where it lies, without making objects of its sections: every packet of a flood comes through
 * here. Messages are those of RFC 1035 (4.1), EDNS is RFC 6891. Names and records of answers are encoded by
 * dns-packet, once for each change of a zone.
 */

/** Bytes of a message's header; the question begins after it. */
export const HEADER = 12;
/** What a UDP client without EDNS takes (RFC 1035, 2.3.4). */
export const PLAIN_UDP_SIZE = 512;

export const recordTypes = { A: 1, PTR: 12, AAAA: 28, SRV: 33, OPT: 41, IXFR: 251, AXFR: 252, ANY: 255 } as const;
export const CLASS_IN = 1;
export const CLASS_ANY = 255;

export const rcodes = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;
export type Rcode = (typeof rcodes)[keyof typeof rcodes];

/** Bits of the header's second word. */
export const flags = {
  QR: 0x8000,
  OPCODE: 0x7800,
  AA: 0x0400,
  TC: 0x0200,
  RD: 0x0100,
  RA: 0x0080,
  CD: 0x0010,
} as const;

export interface Question {
  /** In lower case, labels joined by dots, without the last dot; bytes beyond ASCII as latin1. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

export interface Edns {
  /** What the client takes by UDP. */
  readonly size: number;
  readonly version: number;
  readonly dnssecOk: boolean;
}

export interface Query extends Question {
  /** Where the question ends in the message. */
  readonly end: number;
  readonly edns: Edns | undefined;
}

/** A message that is answered by an error code alone. */
export interface Refusal {
  readonly refuse: Rcode;
  /** 0 when the question could not be read: the answer has none then. */
  readonly end: number;
}

/**
 * @param length of the message at the beginning of `packet`
 * @returns undefined for what must not be answered: fragments of a header, and answers (two servers could
 * answer each other for ever)
 */
export function readQuery(packet: Buffer, length: number): Query | Refusal | undefined {
  if (length < HEADER) return undefined;
  const bits = packet.readUInt16BE(2);
  if (bits & flags.QR) return undefined;
  if (bits & flags.OPCODE) return { refuse: rcodes.NOTIMP, end: 0 };
  // Nobody asks two questions: RFC 9619.
  if (packet.readUInt16BE(4) !== 1) return { refuse: rcodes.FORMERR, end: 0 };
  const nameEnd = plainNameEnd(packet, length);
  const end = nameEnd + 4;
  if (nameEnd === 0 || end > length) return { refuse: rcodes.FORMERR, end: 0 };
  const others = packet.readUInt16BE(6) + packet.readUInt16BE(8) + packet.readUInt16BE(10);
  const edns = others === 0 ? undefined : readEdns(packet, end, length, others);
  if (edns === 'malformed') return { refuse: rcodes.FORMERR, end };
  return {
    name: nameText(packet, nameEnd),
    type: packet.readUInt16BE(nameEnd),
    class: packet.readUInt16BE(nameEnd + 2),
    end,
    edns,
  };
}

/** The name of a question as `Question` has it. */
export function nameKey(name: string): string {
  const text = lowerCase(Buffer.from(name, 'utf8').toString('latin1'));
  return text.endsWith('.') ? text.slice(0, -1) : text;
}

/** Only ASCII has cases in names (RFC 4343). */
function lowerCase(text: string): string {
  return /[A-Z]/.test(text) ? text.replace(/[A-Z]+/g, (capitals) => capitals.toLowerCase()) : text;
}

/** Where a question's name ends; 0 when it is malformed. The first name of a message has nothing to point back to. */
function plainNameEnd(packet: Buffer, length: number): number {
  const LONGEST_LABEL = 63;
  const LONGEST_NAME = 255;
  let at = HEADER;
  while (at < length) {
    const label = packet[at] ?? 0;
    if (label > LONGEST_LABEL) return 0;
    at += 1 + label;
    if (at - HEADER > LONGEST_NAME) return 0;
    if (label === 0) return at;
  }
  return 0;
}

function nameText(packet: Buffer, end: number): string {
  let text = '';
  for (let at = HEADER; at < end - 1; ) {
    const next = at + 1 + (packet[at] ?? 0);
    const label = packet.toString('latin1', at + 1, next);
    text = text === '' ? label : `${text}.${label}`;
    at = next;
  }
  return lowerCase(text);
}

/** Looks for OPT among the records after the question; at most one is allowed (RFC 6891, 6.1.1). */
function readEdns(packet: Buffer, start: number, length: number, records: number): Edns | 'malformed' | undefined {
  const FIXED = 10;
  let edns: Edns | undefined;
  let at = start;
  for (let i = 0; i < records; i++) {
    const root = packet[at] === 0;
    at = anyNameEnd(packet, at, length);
    if (at === 0 || at + FIXED > length) return 'malformed';
    if (packet.readUInt16BE(at) === recordTypes.OPT) {
      if (edns || !root) return 'malformed';
      const size = Math.max(packet.readUInt16BE(at + 2), PLAIN_UDP_SIZE);
      edns = { size, version: packet[at + 5] ?? 0, dnssecOk: ((packet[at + 6] ?? 0) & 0x80) !== 0 };
    }
    at += FIXED + packet.readUInt16BE(at + 8);
    if (at > length) return 'malformed';
  }
  return edns;
}

/** As plainNameEnd, for a name that may end in a pointer. */
function anyNameEnd(packet: Buffer, start: number, length: number): number {
  const POINTER = 0xc0;
  let at = start;
  while (at < length) {
    const label = packet[at] ?? 0;
    if (label >= POINTER) return at + 2;
    if (label >= 0x40) return 0;
    at += 1 + label;
    if (label === 0) return at;
  }
  return 0;
}
