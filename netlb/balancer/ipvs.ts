/** Balancing by IPVS: a service by firewall mark, whose destinations are reached by masquerading. */
import type { Scheduler } from '../../lib/schedulers.js';
import type { IpvsServiceBlueprint, Sysctl } from '../blueprint/model.js';
import { ipvsSettings } from '../kernel/ipvs.js';
import type { Backend } from '../state.js';
import type { Balancer, MarkedService } from './balancer.js';
import { ofFamily } from './slots.js';

const sysctls: readonly Sysctl[] = [
  // Connections are tracked: the sandbox lets pass what is established, and those of a task that is gone are found.
  { key: 'net.ipv4.vs.conntrack', value: '1' },
  // A client that uses a port again is balanced anew, and never sent to a task that drains.
  { key: 'net.ipv4.vs.conn_reuse_mode', value: '1' },
  // What belongs to a destination that is gone, or drains, is let go at its next packet.
  { key: 'net.ipv4.vs.expire_nodest_conn', value: '1' },
  { key: 'net.ipv4.vs.expire_quiescent_template', value: '1' },
];

/** As conntrack has it for TCP: five days, so that a connection may be idle for long. */
const timeouts = { tcp: 432_000, tcpFin: 120, udp: 300 };

/** IPVS's `rr` knows no weights but 0. */
function schedulerOf({ scheduler }: MarkedService, backends: readonly Backend[]): Scheduler {
  const weights = new Set(backends.map(({ weight }) => weight).filter((weight) => weight > 0));
  return scheduler === 'rr' && weights.size > 1 ? 'wrr' : scheduler;
}

const takesNew = ({ backends }: MarkedService): boolean => backends.some(({ weight }) => weight > 0);

/** @param schedulers that the kernel has */
export function ipvsBalancer(schedulers: ReadonlySet<Scheduler>): Balancer {
  return {
    kind: 'ipvs',
    schedulers,
    sysctls,
    timeouts,
    objects(services, family) {
      const own = services.map((service) => ({ ...service, backends: ofFamily(service.backends, family) }));
      const marks = (which: (service: MarkedService) => boolean) => own.filter(which).map(({ mark }) => String(mark));
      return {
        sets: [
          { name: 'balanced', key: 'mark', keep: 'exact', elements: marks(takesNew) },
          {
            name: 'draining',
            key: 'mark',
            keep: 'exact',
            elements: marks((service) => service.backends.length > 0 && !takesNew(service)),
          },
        ],
        chains: [],
        // One whose entry it has let go is balanced anew.
        marked: 'ct direction original',
        input: [
          'meta mark @balanced accept',
          // A client that has had no answer yet still has its backend; IPVS refuses those that have none.
          'meta mark @draining meta l4proto != 6 accept',
        ],
        forward: ['ct state established,related accept'],
        ipvs: own.map((service) => serviceOf(service, family)),
        countsFlows: false,
      };
    },
  };
}

const serviceOf = (service: MarkedService, family: 4 | 6): IpvsServiceBlueprint => ({
  id: { family, mark: service.mark },
  settings: ipvsSettings(schedulerOf(service, service.backends), service.affinity),
  destinations: service.backends.map(({ address, weight }) => ({
    address,
    // 0: as it was.
    port: service.entry === service.published ? 0 : service.published,
    weight,
    masquerade: true,
    limit: 0,
  })),
});
