import { describe, expect, test } from 'vitest';
import { seeded } from '../../lib/seeded-random.js';
import type { IpvsBlueprint, IpvsServiceBlueprint, NamespaceBlueprint } from '../blueprint/model.js';
import { type IpvsServiceId, ipvsServiceName, ipvsSettings } from '../kernel/ipvs.js';
import { type ActualIpvs, NOTHING_ACTUAL } from './actual.js';
import { planIpvs } from './ipvs.js';
import type { Operation } from './operation.js';
import { emptyNamespace } from './testing.js';

const timeouts = { tcp: 432_000, tcpFin: 120, udp: 300 };
const destination = (host: number, weight = 1) => ({
  address: `10.0.0.${host}`,
  port: 0,
  weight,
  masquerade: true,
  limit: 0,
});
const service = (mark: number, hosts: readonly number[], scheduler = 'rr'): IpvsServiceBlueprint => ({
  id: { family: 4, mark },
  settings: ipvsSettings(scheduler, 0),
  destinations: hosts.map((host) => destination(host)),
});
const sandbox = (ipvs: IpvsBlueprint | undefined): NamespaceBlueprint => ({
  ...emptyNamespace('ingress_sbox', { kind: 'ingress', id: 'net' }),
  ...(ipvs && { ipvs }),
});
const wanted = (...services: IpvsServiceBlueprint[]) => sandbox({ timeouts, services });
const shown = (...services: IpvsServiceBlueprint[]): ActualIpvs => ({
  timeouts,
  services: new Map(services.map((one) => [ipvsServiceName(one.id), one])),
});
const planned = (blueprint: NamespaceBlueprint, ipvs: ActualIpvs | undefined) => {
  const { before, after } = planIpvs(blueprint, { ...NOTHING_ACTUAL, ipvs });
  return { before: before.map(({ kind }) => kind), after: after.map(({ kind }) => kind) };
};

/** What the kernel shows when it has done operations. */
function apply(actual: ActualIpvs, operations: readonly Operation[]): ActualIpvs {
  const services = new Map(actual.services);
  let now = actual.timeouts;
  const change = (id: IpvsServiceId, how: (one: IpvsServiceBlueprint) => IpvsServiceBlueprint) => {
    const found = services.get(ipvsServiceName(id));
    if (!found) throw new Error(`no service ${ipvsServiceName(id)}`);
    services.set(ipvsServiceName(id), how(found));
  };
  for (const operation of operations) {
    if (operation.kind === 'set-ipvs-timeouts') now = operation.timeouts;
    else if (operation.kind === 'add-ipvs-service')
      services.set(ipvsServiceName(operation.service.id), operation.service);
    else if (operation.kind === 'remove-ipvs-service') services.delete(ipvsServiceName(operation.service));
    else if (operation.kind === 'set-ipvs-service')
      change(operation.service.id, (one) => ({ ...one, settings: operation.service.settings }));
    else if ('destinations' in operation) {
      const named = new Set(operation.destinations.map(({ address }) => address));
      change(operation.service, (one) => ({
        ...one,
        destinations: [
          ...one.destinations.filter(({ address }) => !named.has(address)),
          ...(operation.kind === 'remove-ipvs-destinations' ? [] : operation.destinations),
        ],
      }));
    }
  }
  return { timeouts: now, services };
}

/** Orders do not matter. */
const sorted = ({ timeouts: now, services }: ActualIpvs) => ({
  now,
  services: [...services]
    .sort()
    .map(([name, one]) => [name, one.settings, [...one.destinations].sort((a, b) => (a.address < b.address ? -1 : 1))]),
});

describe('planIpvs', () => {
  test('nothing when all is as it shall be, whatever the order and what was counted', () => {
    const now = service(256, [12, 11]);
    expect(planned(wanted(service(256, [11, 12])), shown(now))).toEqual({ before: [], after: [] });
  });

  test('what is missing comes before packets are marked, what is too many goes after', () => {
    expect(
      planned(wanted(service(256, [11, 12]), service(257, [11])), shown(service(256, [11, 13]), service(258, []))),
    ).toEqual({
      before: ['add-ipvs-destinations', 'add-ipvs-service'],
      after: ['remove-ipvs-destinations', 'remove-ipvs-service'],
    });
  });

  test('a service that nobody asks for goes, also when IPVS is no longer used', () => {
    expect(planned(sandbox(undefined), shown(service(256, [11])))).toEqual({
      before: [],
      after: ['remove-ipvs-service'],
    });
  });

  test('draining is a change of a weight alone', () => {
    const drained = { ...service(256, [11]), destinations: [destination(11, 0), destination(12)] };
    const { before, after } = planIpvs(wanted(drained), { ...NOTHING_ACTUAL, ipvs: shown(service(256, [11, 12])) });
    expect(before).toEqual([
      expect.objectContaining({ kind: 'set-ipvs-destinations', destinations: [destination(11, 0)] }),
    ]);
    expect(after).toEqual([]);
  });

  test('a change of one service touches no other; and what is done is what was wanted', () => {
    const random = seeded(7);
    const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
    const some = (): IpvsServiceBlueprint[] =>
      [256, 257, 258, 259]
        .filter(() => random(5) > 0)
        .map((mark) => ({
          ...service(mark, [], pick(['rr', 'wrr', 'lc', 'sh'])),
          destinations: [11, 12, 13].filter(() => random(3) > 0).map((host) => destination(host, pick([0, 1, 3]))),
        }));
    for (let round = 0; round < 300; round++) {
      const [from, to] = [shown(...some()), some()];
      const { before, after } = planIpvs(wanted(...to), { ...NOTHING_ACTUAL, ipvs: from });
      expect(sorted(apply(from, [...before, ...after]))).toEqual(sorted(shown(...to)));
      const same = to.filter((one) => {
        const now = from.services.get(ipvsServiceName(one.id));
        return now && planIpvs(wanted(one), { ...NOTHING_ACTUAL, ipvs: shown(now) }).before.length === 0;
      });
      const touched = [...before].flatMap((operation) =>
        'service' in operation
          ? [ipvsServiceName('id' in operation.service ? operation.service.id : operation.service)]
          : [],
      );
      expect(same.filter(({ id }) => touched.includes(ipvsServiceName(id)))).toEqual([]);
    }
  });
});
