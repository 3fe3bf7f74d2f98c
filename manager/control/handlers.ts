import type { Clock } from '../../lib/clock.js';
import { followEvents } from '../../lib/events/follow.js';
import type { ControlService, LogBatch, LogsRequest } from '../../proto/gen/index.js';
import type { Handlers } from '../../proto/rpc/server.js';
import type { Store } from '../store/store.js';
import { clusterHandlers } from './cluster.js';
import { networkHandlers } from './networks.js';
import { type Managers, nodeHandlers } from './nodes.js';
import { rebalanceHandlers } from './rebalance.js';
import { serviceHandlers } from './services.js';
import { taskHandlers } from './tasks.js';
import { watchObjects } from './watch.js';

export interface ControlOptions {
  readonly clock: Clock;
  readonly managers: Managers;
  /** Lines of the containers of a service or task, until all are read or, when following, the signal aborts. */
  readonly logs: { read(request: LogsRequest, signal: AbortSignal): AsyncIterable<LogBatch> };
}

/** The API that operators use. Whoever can open the daemon's socket may call all of it. */
export function controlHandlers(
  store: Store,
  { clock, managers, logs }: ControlOptions,
): Handlers<typeof ControlService> {
  return {
    ...clusterHandlers(store),
    ...nodeHandlers(store, clock, managers),
    ...serviceHandlers(store, clock),
    ...rebalanceHandlers(store, clock),
    ...taskHandlers(store),
    ...networkHandlers(store, clock),
    watch: (request, context) => watchObjects(store, request, context.signal),
    events: (request, context) => followEvents(store.events, request, clock, context.signal),
    logs: (request, context) => logs.read(request, context.signal),
  };
}
