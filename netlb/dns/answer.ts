import type { Question } from './query.js';
import { recordTypes } from './query.js';
import { answerRecord, namedRecord, type RecordSet, recordSet } from './records.js';
import type { NameEntry, ZoneIndex } from './zone-index.js';

/** What the zones say. No answers: the name is known, and has nothing of the type. */
export interface Answer {
  readonly answers: RecordSet | undefined;
  /** Addresses of what the answers name; left out where there is no room. */
  readonly additional: readonly Uint8Array[];
}

const NONE: readonly Uint8Array[] = [];

/**
 * Answers from the first zone that knows the name.
 * @returns undefined when none does: it is a name of elsewhere
 */
export function answer({ name, type }: Question, zones: readonly ZoneIndex[]): Answer | undefined {
  for (const zone of zones) {
    const entry = zone.name(name);
    if (entry) return { answers: ofType(entry, type), additional: NONE };
    const pointer = zone.pointer(name);
    if (pointer) return { answers: asksFor(type, recordTypes.PTR) ? pointer : undefined, additional: NONE };
    const service = serviceAnswer(name, type, zone);
    if (service) return service;
  }
  return undefined;
}

const asksFor = (type: number, wanted: number): boolean => type === wanted || type === recordTypes.ANY;

function ofType({ v4, v6 }: NameEntry, type: number): RecordSet | undefined {
  if (type === recordTypes.A) return v4;
  if (type === recordTypes.AAAA) return v6;
  if (type === recordTypes.ANY) return recordSet([...(v4?.records ?? []), ...(v6?.records ?? [])]);
  return undefined;
}

/** Priority and weight are 0: who answers for the service is not the client's to choose. */
function serviceAnswer(name: string, type: number, zone: ZoneIndex): Answer | undefined {
  const port = zone.service(name);
  if (!port) return undefined;
  if (!asksFor(type, recordTypes.SRV)) return { answers: undefined, additional: NONE };
  // In the form that was asked for: web, or web.front.
  const target = name.split('.').slice(2).join('.');
  const addresses = zone.name(target)?.addresses ?? [];
  return {
    answers: recordSet([answerRecord({ type: 'SRV', data: { port: port.target, target } })]),
    additional: addresses.map((data) => namedRecord(target, { type: data.includes(':') ? 'AAAA' : 'A', data })),
  };
}
