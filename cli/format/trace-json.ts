import { type NetworkTrace, ProbeSighting, type TraceHop, TraceStatus } from '../../proto/gen/inspections.js';

const statusName: Readonly<Record<TraceStatus, string>> = {
  [TraceStatus.OK]: 'ok',
  [TraceStatus.DOUBTFUL]: 'doubtful',
  [TraceStatus.BROKEN]: 'broken',
};

/** What `--format json` prints: described in docs/networking.md, which keeps its shape. */
export function traceObject({ from, to, protocol, port, complete, verdict, hops, probe }: NetworkTrace) {
  return {
    From: from,
    To: to,
    Protocol: protocol,
    Port: port,
    Complete: complete,
    Verdict: verdict,
    LostAt: hops.findIndex(({ status }) => status === TraceStatus.BROKEN) + 1,
    Hops: hops.map(hopObject),
    Probe: probe ? { Sent: probe.sent, Answer: probe.answer, Verdict: probe.verdict, Problems: probe.problems } : null,
  };
}

function hopObject(hop: TraceHop, index: number) {
  return {
    Hop: index + 1,
    Leg: hop.back ? 'back' : 'there',
    Node: hop.node,
    Namespace: hop.namespace,
    Owner: hop.owner,
    Kind: hop.kind,
    Title: hop.title,
    Details: hop.details,
    Status: statusName[hop.status],
    Reason: hop.reason,
    Hint: hop.hint,
    Candidates: hop.candidates.map(({ address, port, weight, owner, node, taken }) => ({
      Address: address,
      Port: port,
      Weight: weight,
      Owner: owner,
      Node: node,
      Taken: taken,
    })),
    Seen: hop.sighting === ProbeSighting.NONE ? null : hop.sighting === ProbeSighting.SEEN,
  };
}
