import { describe, expect, test } from 'vitest';
import {
  NetworkTrace,
  ProbeReport,
  ProbeSighting,
  TraceCandidate,
  TraceHop,
  TraceStatus,
} from '../../proto/gen/inspections.js';
import { drawTrace } from './trace-drawing.js';
import { traceObject } from './trace-json.js';
import { traceSvg } from './trace-svg.js';

const hop = (fields: Partial<TraceHop>) =>
  TraceHop.create({ node: 'node1', namespace: 'abcdefghijklmnop', owner: 'web.1', ...fields });
const trace = NetworkTrace.create({
  from: 'web.1',
  to: 'api',
  protocol: 'tcp',
  port: 80,
  complete: false,
  verdict: 'A packet is lost at hop 3.',
  hops: [
    hop({
      kind: 'balancer',
      title: 'destination 10.0.1.2:80 → 10.0.1.5:80',
      candidates: [
        TraceCandidate.create({ address: '10.0.1.5', weight: 1, owner: 'api.1', node: 'node2', taken: true }),
        TraceCandidate.create({ address: '10.0.1.6', weight: 2, owner: 'api.2', node: 'node1' }),
      ],
    }),
    hop({ kind: 'route', title: '10.0.1.5 by eth0', details: { table: 'main', rule: '32766', mtu: '1450' } }),
    hop({
      namespace: '1-front00000',
      owner: '',
      kind: 'fdb',
      title: 'vxlan0 does not know <02:42:0a:00:01:05> & cannot',
      status: TraceStatus.BROKEN,
      reason: 'vxlan0 has no forwarding entry',
      hint: 'Look: bridge fdb',
    }),
    hop({ node: 'node2', namespace: '', owner: '', kind: 'underlay', title: 'eth0', back: true }),
  ],
});
const draw = (options: Partial<Parameters<typeof drawTrace>[1]> = {}, of = trace) =>
  drawTrace(of, { plain: true, columns: 100, verbose: false, ...options });

describe('drawTrace', () => {
  test('boxes of nodes and namespaces, one line for each hop', () => {
    const lines = draw().split('\n');
    expect(lines[0]).toBe('web.1 -> api:80 (tcp)');
    expect(lines[2]).toMatch(/^\+- node1 -+\+$/);
    expect(lines[3]).toMatch(/^\| \+- web\.1 \(abcdefghijkl\) -+\+ \|$/);
    const text = lines.join('\n');
    expect(text).toMatch(/ {3}1 \+ balancer {4}destination 10\.0\.1\.2:80 -> 10\.0\.1\.5:80/);
    expect(text).toMatch(/> 10\.0\.1\.5 api\.1 on node2/);
    expect(text).toMatch(/ {2}10\.0\.1\.6 api\.2 on node1 \(weight 2\)/);
    expect(text).toMatch(/ {3}2 \+ route {7}10\.0\.1\.5 by eth0 {2}\[table main, rule 32766, mtu 1450\]/);
    expect(text).toMatch(/ {3}3 X fdb {9}vxlan0 does not know/);
    expect(text).toContain('vxlan0 has no forwarding entry');
    expect(text).toContain('The answer:');
    expect(text).toContain('A packet is lost at hop 3.');
  });

  test('plain - ASCII alone, as wide as the terminal and at most 100', () => {
    for (const columns of [70, 100, 300]) {
      const text = draw({ columns });
      expect(text).toMatch(/^[\x20-\x7e\n]+$/);
      const widths = text
        .split('\n')
        .filter((line) => line.startsWith('|'))
        .map((line) => line.length);
      expect(new Set(widths)).toEqual(new Set([Math.min(columns, 100)]));
    }
  });

  test('on a terminal - unicode and colors', () => {
    const text = draw({ plain: false });
    expect(text).toContain('┌─ node1 ─');
    expect(text).toContain('\u001b[31m');
    expect(text).toContain('✗');
  });

  test('probe - where it was seen, and what came of it', () => {
    const hops = trace.hops.map((one, i) => ({
      ...one,
      sighting: i === 0 ? ProbeSighting.SEEN : ProbeSighting.UNSEEN,
    }));
    const probed = {
      ...trace,
      hops,
      probe: ProbeReport.create({ sent: 1, verdict: 'It was lost.', problems: ['node3: no'] }),
    };
    const text = draw({}, probed);
    expect(text).toMatch(/ 1 \+ \* balancer/);
    expect(text).toMatch(/ 3 X o fdb/);
    expect(text).toContain('Probe: It was lost.\n  node3: no\n');
  });
});

test('traceObject - the documented shape', () => {
  expect(traceObject(trace)).toMatchObject({
    From: 'web.1',
    To: 'api',
    Protocol: 'tcp',
    Port: 80,
    Complete: false,
    LostAt: 3,
    Probe: null,
    Hops: [
      { Hop: 1, Leg: 'there', Node: 'node1', Owner: 'web.1', Kind: 'balancer', Status: 'ok', Seen: null },
      { Hop: 2, Details: { table: 'main' } },
      { Hop: 3, Status: 'broken', Reason: 'vxlan0 has no forwarding entry' },
      { Hop: 4, Leg: 'back', Node: 'node2', Namespace: '' },
    ],
  });
});

test('traceSvg - nodes, namespaces and hops, with their texts escaped', () => {
  const svg = traceSvg(trace);
  expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" /);
  expect(svg.trimEnd().endsWith('</svg>')).toBe(true);
  for (const text of ['node1', 'node2', 'web.1 (abcdefghijkl)', 'api:80', '&lt;02:42:0a:00:01:05&gt; &amp; cannot'])
    expect(svg).toContain(text);
  expect(svg).not.toContain('& ');
  // Between the two namespaces of node1, and from there to node2.
  expect(svg.match(/marker-end/g)).toHaveLength(2);
});
