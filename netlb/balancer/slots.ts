import { familyOf } from '../../lib/ip.js';
import { rememberedOf } from '../../lib/remembered.js';
import type { Backend } from '../state.js';
import type { MarkedService } from './balancer.js';

/** Those that connections of this family can go to. */
export const ofFamily = (backends: readonly Backend[], family: 4 | 6): Backend[] =>
  backends.filter(({ address }) => familyOf(address) === family);

const inFamily = (family: 4 | 6) =>
  rememberedOf(
    (service: MarkedService): MarkedService => ({ ...service, backends: ofFamily(service.backends, family) }),
  );
const services = { 4: inFamily(4), 6: inFamily(6) };

/** The service with the backends of one family alone; the same object each time. */
export const serviceOver = (service: MarkedService, family: 4 | 6): MarkedService => services[family](service);

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/**
 * The order in which backends take turns: each as often as its weight says (weights reduced by their
 * common divisor), spread as evenly as can be: nginx's smooth weighted round robin. Weight 0 has no turn.
 */
export function slots(backends: readonly Backend[]): string[] {
  const active = backends.filter((backend) => backend.weight > 0);
  const divisor = active.reduce((sum, { weight }) => gcd(sum, weight), 0);
  if (active.every(({ weight }) => weight === divisor)) return active.map(({ address }) => address);
  const turns = active.map(({ address, weight }) => ({ address, weight: weight / divisor, credit: 0 }));
  const total = turns.reduce((sum, { weight }) => sum + weight, 0);
  return Array.from({ length: total }, () => {
    for (const turn of turns) turn.credit += turn.weight;
    const next = turns.reduce((best, turn) => (turn.credit > best.credit ? turn : best));
    next.credit -= total;
    return next.address;
  });
}
