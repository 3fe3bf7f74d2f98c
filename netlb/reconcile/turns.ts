import { INGRESS_NAMESPACE, NODE_NAMESPACE } from '../names.js';

/** Namespaces that a look is for whatever their number: some tens of milliseconds of the processor. */
export const LEAST_TURN = 20;
/** Milliseconds in which each namespace has its turn. */
export const ROUND = 30_000;
/** Namespaces in which something was heard to change that one look reads, if only what may have changed of them. */
export const MOST_HEARD = 200;
/** Those through which the traffic of all others goes. */
const ALWAYS: readonly string[] = [NODE_NAMESPACE, INGRESS_NAMESPACE];

/**
 * The namespaces that a look for drift is for: the node's own, `ingress_sbox`, those that the kernel shows to be changed,
 * and of the others those that have waited longest, so that each has its turn in every round. Pure.
 * @param names those read longest ago first
 * @param interval milliseconds between two looks
 */
export function turnOf(names: readonly string[], isChanged: (name: string) => boolean, interval: number): string[] {
  const others = names.filter((name) => !ALWAYS.includes(name));
  const size = Math.max(LEAST_TURN, Math.ceil((others.length * interval) / ROUND));
  const waiting = others.filter((name, place) => place < size || isChanged(name));
  return [...ALWAYS.filter((name) => names.includes(name)), ...waiting];
}

/** Of those in which something was heard to change, which a look reads: a storm of changes waits for the next ones. */
export const heardTurn = (waiting: readonly string[]): readonly string[] => waiting.slice(0, MOST_HEARD);

/**
 * The namespaces that a look reads as a whole though nobody has told of a change in them: those that have waited longest
 * for it, so many that each is read in every round. Pure.
 * @param readAt when each was read as a whole
 * @param interval milliseconds between two looks
 * @param left what earlier looks have left over, of the number of namespaces
 */
export function wholeTurn(
  readAt: ReadonlyMap<string, number>,
  interval: number,
  left: number,
): { readonly names: readonly string[]; readonly left: number } {
  const share = left + (readAt.size * interval) / ROUND;
  const count = Math.min(Math.floor(share), readAt.size);
  const names = count > 0 ? [...readAt].sort(([, a], [, b]) => a - b).slice(0, count) : [];
  return { names: names.map(([name]) => name), left: share - Math.floor(share) };
}
