/** How connections to a port are spread on this node, which may not be all that the port asks for. */
import { rememberedOf } from '../../lib/remembered.js';
import type { Scheduler } from '../../lib/schedulers.js';
import type { Balancer } from '../balancer/balancer.js';
import type { EnteredPort } from './entries.js';

export interface Spread {
  readonly scheduler: Scheduler;
  /** Seconds. */
  readonly affinity: number;
  /** In words, what is done otherwise than asked for. */
  readonly problems: readonly string[];
}

/** The same object for the same port and balancer. */
export const spreadOf = (port: EnteredPort, balancer: Balancer): Spread => spreads(balancer)(port);

const spreads = rememberedOf((balancer: Balancer) => rememberedOf((port: EnteredPort) => spreadBy(port, balancer)));

function spreadBy(port: EnteredPort, balancer: Balancer): Spread {
  const { protocol, published, hostAddress, scheduler = 'rr', affinity = 0 } = port;
  const name = `port ${hostAddress === '' ? '' : `${hostAddress}:`}${published}/${protocol}`;
  const isKnown = balancer.schedulers.has(scheduler);
  // The kernel gives persistent connections the port of their packet, whatever port their destination has.
  const isLasting = affinity === 0 || balancer.kind !== 'ipvs' || port.entry === published;
  return {
    scheduler: isKnown ? scheduler : 'rr',
    affinity: isLasting ? affinity : 0,
    problems: [
      ...(isKnown
        ? []
        : [`${name} is balanced in turn (rr) on this node; it asks for ${scheduler}, ${lack(scheduler, balancer)}`]),
      ...(isLasting
        ? []
        : [`${name} has no affinity on this node: with IPVS that takes a port that no other address has, too`]),
    ],
  };
}

const lack = (scheduler: Scheduler, { kind }: Balancer): string =>
  kind === 'nft'
    ? 'which the balancer nft does not have: use a kernel with IPVS, and --balancer auto or ipvs'
    : `which this kernel does not have: run "modprobe ip_vs_${scheduler}"`;
