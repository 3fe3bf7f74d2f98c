import type { Clock } from '../../lib/clock.js';
import { failedPrecondition } from '../../lib/errors.js';
import type { ControlService, Rebalancing, Service } from '../../proto/gen/index.js';
import type { Handlers } from '../../proto/rpc/server.js';
import { isUpdating, movesOf } from '../rebalancer/moves.js';
import { beginRebalance } from '../rebalancer/rebalancer.js';
import type { ReadView, Store } from '../store/store.js';
import { resolve } from './refs.js';
import { modeOf } from './validate/service.js';

type RebalanceHandlers = Pick<Handlers<typeof ControlService>, 'rebalanceServices'>;

export function rebalanceHandlers(store: Store, clock: Clock): RebalanceHandlers {
  return {
    async rebalanceServices({ refs, dryRun }, { requestId }) {
      const view = store.view();
      const asked = refs.map((ref) => resolve(view, 'service', ref));
      // All are looked at before any is begun with.
      for (const service of asked) checkCanBeRebalanced(service);
      const services = refs.length > 0 ? asked : [...view.list('service')].filter(({ spec }) => spec.replicated);
      const now = clock.now();
      const plans = services.map((service) => planOf(view, service, now));
      const due = dryRun ? [] : plans.filter(({ moves }) => moves.length > 0);
      const { failed } = await store.batch(
        due,
        (draft, plan) => beginRebalance(draft, plan.serviceId, '', now),
        requestId,
      );
      for (const error of failed.values()) throw error;
      return { services: plans };
    },
  };
}

/** @throws FAILED_PRECONDITION */
function checkCanBeRebalanced(service: Service): void {
  const { name } = service.spec;
  if (!service.spec.replicated) {
    throw failedPrecondition(`service ${name} cannot be rebalanced: its mode is ${modeOf(service.spec)}`, {
      value: name,
      hint: 'Only tasks of replicated services can be on one node as well as on another.',
    });
  }
  if (!isUpdating(service)) return;
  throw failedPrecondition(`service ${name} cannot be rebalanced while it is being updated`, {
    value: name,
    hint: `Wait until the update is done: "tsswarm service inspect --pretty ${name}" tells.`,
  });
}

function planOf(view: ReadView, service: Service, now: number): Rebalancing {
  const named = { serviceId: service.id, serviceName: service.spec.name };
  if (isUpdating(service)) return { ...named, moves: [], skipped: 'it is being updated' };
  const moves = movesOf(view, service, now).map(({ task, to }) => {
    return { taskId: task.id, slot: task.slot, from: task.nodeId, to };
  });
  return { ...named, moves, skipped: '' };
}
