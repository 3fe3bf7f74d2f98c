import { describe, expect, test } from 'vitest';
import type { HookOutcome } from './evaluate.js';
import { FactBook } from './facts.js';
import type { Trace } from './hop.js';
import type { IpvsAnswer } from './ipvs.js';
import type { HookPacket } from './packet.js';
import type { HookQuestion, RouteAnswer } from './queries.js';
import { outsideToPort } from './testing.js';
import { trace } from './trace.js';

describe('IPVS', () => {
  const namespace = 'ingress_sbox';
  const { question, directory } = outsideToPort;

  /** The recorded way to a published port, where node1 balances by IPVS instead. */
  function throughIpvs(destinations: IpvsAnswer['destinations']): Trace {
    const isTranslation = (key: string) => key.includes('"prerouting"') && key.includes('"destination":"172.18.0.2"');
    const book = new FactBook(outsideToPort.facts.filter(([key]) => !isTranslation(key)));
    const base = {
      protocol: 'tcp',
      source: '192.0.2.100',
      connectionMark: 0,
      state: 'new',
      outputAddress: '',
    } as const;
    const entering = { ...base, destination: '172.18.0.2', destinationPort: 8080, input: 'eth1', output: '' } as const;
    const arrived: HookPacket = { ...entering, sourcePort: undefined, mark: 0, translated: ['dnat'], local: true };
    const marked: HookPacket = { ...arrived, mark: 256 };
    const sent: HookPacket = {
      ...marked,
      ...{ destination: '10.0.0.12', destinationPort: 80, translated: ['dnat', 'dnat'], local: false },
      ...{ input: '', output: 'eth0' },
    };
    const hook = (name: HookQuestion['hook'], packet: HookPacket, after = packet): void =>
      book.set(
        { node: 'node1', query: { kind: 'hook', namespace, hook: name, layer: 'ip', packet, prefer: '' } },
        {
          answer: {
            verdict: 'accept',
            packet: after,
            by: undefined,
            translations: [],
            suspicions: [],
          } satisfies HookOutcome,
        },
      );
    const route = (destination: string, of: Pick<HookPacket, 'source' | 'mark' | 'input'>, answer: RouteAnswer): void =>
      book.set({ node: 'node1', query: { kind: 'route', namespace, destination, ...of } }, { answer });
    hook('prerouting', arrived, marked);
    route('172.18.0.2', { source: '192.0.2.100', mark: 256, input: 'eth1' }, {
      found: true,
      type: 'local',
      table: 255,
      index: 1,
    } as RouteAnswer);
    hook('input', marked);
    const settings = { scheduler: 'wrr', persistence: 0, flags: 0 };
    book.set(
      { node: 'node1', query: { kind: 'ipvs', namespace, family: 4, mark: 256 } },
      { answer: { settings, destinations } },
    );
    route('10.0.0.12', { source: '', mark: 0, input: '' }, {
      found: true,
      type: 'unicast',
      table: 254,
      index: 2,
    } as RouteAnswer);
    hook('output', sent);
    return trace(question, directory, book);
  }
  const destination = (address: string, weight: number) => ({ address, port: 80, weight, activeConnections: 0 });

  test('is gone through there and back, with all that a new connection may go to', () => {
    const { complete, hops } = throughIpvs([
      destination('10.0.0.11', 0),
      destination('10.0.0.12', 3),
      destination('10.0.0.99', 1),
    ]);
    expect(complete).toBe(true);
    expect(hops.filter(({ kind }) => kind === 'balancer')).toMatchObject([
      {
        title: 'IPVS FWM 256 172.18.0.2:8080 → 10.0.0.12:80',
        details: { service: 'FWM 256', scheduler: 'wrr' },
        candidates: [
          { address: '10.0.0.12', weight: 3, node: 'node2', taken: true },
          { address: '10.0.0.99', weight: 1, owner: '', taken: false },
        ],
      },
    ]);
    const undone = hops.find(
      ({ leg, namespace: where, kind }) => leg === 'back' && where === namespace && kind === 'translation',
    );
    expect(undone?.title).toBe('source 10.0.0.12:80 → 172.18.0.2:8080 (as it was)');
  });

  test('with nobody that takes new connections is where it is lost', () => {
    const { hops } = throughIpvs([destination('10.0.0.12', 0)]);
    expect(hops.at(-1)?.reason).toBe(
      'no destination of the IPVS service FWM 256 takes new connections: all 1 have weight 0',
    );
  });
});
