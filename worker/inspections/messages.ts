import type { Hop, HopStatus, Trace } from '../../netlb/trace/hop.js';
import { NetworkTrace, ProbeSighting, TraceCandidate, TraceHop, TraceStatus } from '../../proto/gen/index.js';
import type { ProbeResult } from './probe.js';

const statuses: Readonly<Record<HopStatus, TraceStatus>> = {
  ok: TraceStatus.OK,
  doubtful: TraceStatus.DOUBTFUL,
  broken: TraceStatus.BROKEN,
};

/** A trace as it is sent to the command line. */
export function traceMessage({ port, hops, ...trace }: Trace, probe?: ProbeResult): NetworkTrace {
  return NetworkTrace.create({
    ...trace,
    port: port ?? 0,
    hops: hops.map((hop, i) => hopMessage(hop, probe?.sightings[i])),
    ...(probe ? { probe: probe.report } : {}),
  });
}

function hopMessage({ leg, status, candidates, tap: _, ...hop }: Hop, seen: boolean | undefined): TraceHop {
  const sighting = seen === undefined ? ProbeSighting.NONE : seen ? ProbeSighting.SEEN : ProbeSighting.UNSEEN;
  return TraceHop.create({
    ...hop,
    details: Object.fromEntries(Object.entries(hop.details).filter(([, value]) => value !== '')),
    back: leg === 'back',
    status: statuses[status],
    candidates: candidates.map((candidate) => TraceCandidate.create({ ...candidate, port: candidate.port ?? 0 })),
    sighting,
  });
}
