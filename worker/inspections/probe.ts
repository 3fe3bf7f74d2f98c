/** Sends packets along a trace, and tells by which hops they came. */
import { randomBytes, randomInt } from 'node:crypto';
import { messageOf } from '../../lib/errors.js';
import type { Hop, Trace } from '../../netlb/trace/hop.js';
import type { Answers, Fact, Sighting, Tap } from '../../netlb/trace/queries.js';
import type { Question } from '../../netlb/trace/question.js';
import type { Ask } from '../../netlb/trace/tracer.js';
import { ProbeReport } from '../../proto/gen/index.js';

export interface ProbeResult {
  /** By hop: whether it was seen there; undefined where nobody looked. */
  readonly sightings: readonly (boolean | undefined)[];
  readonly report: ProbeReport;
}

/** Milliseconds after which what was not seen is not to come: neighbours may have to be asked for first. */
const PATIENCE = 1200;
/** Where a balancer has a choice, enough packets are sent that one goes the way of the trace. */
const MAX_PACKETS = 32;

interface Seen extends Sighting {
  readonly node: string;
}

/** @param source address that the packets have @param destination before any translation */
export async function probe(
  question: Question,
  { hops, complete }: Trace,
  ends: { readonly source: string; readonly destination: string },
  ask: Ask,
): Promise<ProbeResult> {
  const { from, protocol, port } = question;
  if (from.kind === 'outside') throw new TypeError('a probe begins inside of the swarm');
  const tokens = Array.from({ length: packetCount(hops) }, () => randomBytes(4).readUInt32BE());
  const id = randomBytes(8).toString('hex');
  const problems: string[] = [];
  const nodes = await openTaps(hops, id, tokens, ask, problems);
  const namespace = from.kind === 'node' ? '' : from.namespace;
  const packets = tokens.map((token) => ({
    kind: 'send' as const,
    namespace,
    packet: { ...ends, protocol, token, sourcePort: randomInt(0x8000, 0xf000), destinationPort: port ?? 0 },
  }));
  for (const fact of await ask(from.node, packets)) if ('error' in fact) problems.push(fact.error);
  const seen = (await Promise.all(nodes.map((node) => collect(node, id, ask, problems)))).flat();
  const own = onWay(hops, seen, tokens);
  const sightings = hops.map((hop) => isSeen(hop, own));
  return { sightings, report: report(hops, complete, own, sightings, tokens.length, [...new Set(problems)]) };
}

const packetCount = (hops: readonly Hop[]): number => {
  const turns = hops.map(({ candidates }) => candidates.reduce((sum, { weight }) => sum + weight, 0));
  return Math.min(MAX_PACKETS, Math.max(1, ...turns));
};

/** @returns the nodes that look */
async function openTaps(
  hops: readonly Hop[],
  id: string,
  tokens: readonly number[],
  ask: Ask,
  problems: string[],
): Promise<string[]> {
  const byNode = new Map<string, Map<string, Tap>>();
  for (const { tap } of hops) {
    if (!tap) continue;
    const taps = byNode.get(tap.nodeId) ?? new Map<string, Tap>();
    taps.set(`${tap.namespace} ${tap.link}`, { namespace: tap.namespace, link: tap.link });
    byNode.set(tap.nodeId, taps);
  }
  const opened = await Promise.all(
    [...byNode].map(async ([node, taps]) => {
      const answer = await one<'capture'>(
        ask,
        node,
        { kind: 'capture', id, taps: [...taps.values()], tokens },
        problems,
      );
      for (const { tap, error } of answer?.failed ?? [])
        problems.push(`${tap.link} of ${tap.namespace || node}: ${error}`);
      return answer ? [node] : [];
    }),
  );
  return opened.flat();
}

async function collect(node: string, id: string, ask: Ask, problems: string[]): Promise<Seen[]> {
  const found = await one<'sightings'>(ask, node, { kind: 'sightings', id, waitMs: PATIENCE }, problems);
  return (found ?? []).map((sighting) => ({ ...sighting, node }));
}

async function one<K extends 'capture' | 'sightings'>(
  ask: Ask,
  node: string,
  query: Parameters<Ask>[1][number],
  problems: string[],
): Promise<Answers[K] | undefined> {
  try {
    const [fact] = (await ask(node, [query])) as readonly Fact<K>[];
    if (fact && 'answer' in fact) return fact.answer;
    problems.push(fact?.error ?? 'no answer');
  } catch (error) {
    problems.push(messageOf(error));
  }
  return undefined;
}

/** Sightings of the packets that a balancer sent where the trace goes; of all, where there was no choice. */
function onWay(hops: readonly Hop[], seen: readonly Seen[], tokens: readonly number[]): readonly Seen[] {
  const taken = hops.flatMap(({ candidates }) => (candidates.length > 1 ? candidates.filter((one) => one.taken) : []));
  if (taken.length === 0) return seen;
  const right = tokens.filter((token) =>
    taken.every(({ address }) =>
      seen.some((one) => one.token === token && (one.destination === address || one.source === address)),
    ),
  );
  return seen.filter(({ token }) => right.includes(token));
}

function isSeen({ tap, leg }: Hop, seen: readonly Seen[]): boolean | undefined {
  if (!tap) return undefined;
  return seen.some(
    (one) =>
      one.node === tap.nodeId &&
      one.tap.namespace === tap.namespace &&
      one.tap.link === tap.link &&
      (one.answer !== undefined) === (leg === 'back'),
  );
}

function report(
  hops: readonly Hop[],
  complete: boolean,
  seen: readonly Seen[],
  sightings: readonly (boolean | undefined)[],
  sent: number,
  problems: readonly string[],
): ProbeReport {
  const answer = seen.find((one) => one.answer !== undefined)?.answer ?? '';
  const lost = sightings.indexOf(false);
  const there = sightings.filter((_, i) => hops[i]?.leg === 'there');
  const hop = hops[lost];
  const told = answer === '' ? 'no answer was seen' : `it was answered (${answer})`;
  const verdict =
    lost < 0
      ? `The packet came by every hop${complete ? '' : ' up to the last'}, and ${told}.`
      : there.includes(false)
        ? `The packet was not seen any more at hop ${lost + 1} (${hop?.title ?? ''}).`
        : answer === ''
          ? 'The packet came by every hop; no answer was seen.'
          : `The packet arrived and was answered (${answer}); the answer was not seen at hop ${lost + 1}.`;
  return ProbeReport.create({ sent, answer, verdict, problems });
}
