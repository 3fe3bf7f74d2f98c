import { failedPrecondition, invalidArgument } from '../../lib/errors.js';
import type { Rebalancing } from '../../proto/gen/control.js';
import { RebalanceState } from '../../proto/gen/objects.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { naturalOrder } from '../format/human.js';
import { watchService } from '../progress/service-watch.js';
import { forEach } from './refs.js';

export async function rebalanceServices(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  if (refs.length > 0 === flags.on('all')) {
    throw invalidArgument(
      refs.length > 0 ? '--all cannot be used with names of services' : '"service rebalance" needs a service',
      { hint: 'Name services, or give --all for all that are replicated.' },
    );
  }
  const control = await context.control();
  const dryRun = flags.on('dry-run');
  const [{ services }, { nodes }] = await Promise.all([
    control.rebalanceServices({ refs, dryRun }),
    control.listNodes({ filters: [] }),
  ]);
  const names = new Map(nodes.map((node) => [node.id, node.description.hostname]));
  const sorted = [...services].sort((a, b) => naturalOrder(a.serviceName, b.serviceName));
  context.io.out(movesText(sorted, (id) => names.get(id) || id));
  if (dryRun || flags.on('detach')) return;
  const moving = sorted.filter(({ moves }) => moves.length > 0);
  await forEach(
    context,
    moving.map(({ serviceId }) => serviceId),
    (id) => waitForRebalance(context, id),
  );
}

/** `web.3: node1 → node3`, one a line; of services that are even that they are. */
function movesText(services: readonly Rebalancing[], nodeName: (id: string) => string): string {
  const lines = services.flatMap(({ serviceName, moves, skipped }) => {
    if (skipped !== '') return [`${serviceName}: skipped: ${skipped}`];
    if (moves.length === 0) return [`${serviceName}: even already`];
    return moves.map(({ slot, from, to }) => `${serviceName}.${slot}: ${nodeName(from)} → ${nodeName(to)}`);
  });
  return lines.map((line) => `${line}\n`).join('');
}

/** @throws FAILED_PRECONDITION when a task could not be moved, or the service is gone */
async function waitForRebalance(context: Context, id: string): Promise<void> {
  const { io } = context;
  const control = await context.control();
  const done = new AbortController();
  const interrupted = io.interrupted();
  for await (const news of watchService(control, io.clock, id, AbortSignal.any([done.signal, interrupted]))) {
    if (news === 'anew') continue;
    const service = news.events.findLast((event) => event.service)?.service;
    if (!service && news.synced) throw failedPrecondition(`service ${id} was removed`, { value: id });
    if (!service?.rebalance || service.rebalance.state === RebalanceState.MOVING) continue;
    const { state, message } = service.rebalance;
    if (state === RebalanceState.STOPPED) {
      throw failedPrecondition(`service ${service.spec.name} is not even: ${message}`, {
        value: service.spec.name,
        hint: 'The task goes on where it was. "tsswarm service ps" shows why it does not start there.',
      });
    }
    io.out(`${service.spec.name}: ${message}\n`);
    done.abort();
  }
  if (interrupted.aborted && !done.signal.aborted) io.out('Operation continuing in background.\n');
}
