import { failedPrecondition, unavailable } from '../../lib/errors.js';
import { ObjectKind } from '../../proto/gen/control.js';
import type { Service, UpdateStatus } from '../../proto/gen/objects.js';
import type { Context } from '../context.js';
import { progressPrinter } from './printer.js';
import { ServiceProgress } from './progress.js';

/** How long all tasks must keep running before a service counts as converged. Docker waits 5 s. */
const STABLE_MS = 1000;

export interface WaitOptions {
  readonly quiet: boolean;
  /** The update status before the change that is waited for. */
  readonly before?: UpdateStatus | undefined;
  readonly wantsRollback?: boolean;
}

/**
 * Shows a service's progress until it has converged; driven by the managers' events. Ctrl-C ends
 * the waiting and leaves the service alone.
 * @throws FAILED_PRECONDITION when the update pauses, is rolled back, or the service is removed
 */
export async function waitForService(context: Context, service: Service, options: WaitOptions): Promise<void> {
  const { io } = context;
  const control = await context.control();
  const printer = progressPrinter(io, options.quiet);
  const progress = new ServiceProgress(options.before, options.wantsRollback);
  const interrupted = io.interrupted();
  const done = new AbortController();
  let converged = false;
  let synced = false;
  let cancelTimer: (() => void) | undefined;
  const finish = () => {
    converged = true;
    done.abort();
  };
  const request = { kinds: [ObjectKind.SERVICE, ObjectKind.TASK], serviceId: service.id };
  try {
    for await (const message of control.watch(request, { signal: AbortSignal.any([done.signal, interrupted]) })) {
      for (const event of message.events) progress.apply(event);
      // What is there at the beginning may come in several messages.
      synced ||= message.synced;
      if (!synced) continue;
      const view = progress.view();
      printer.show(view);
      if (view.verdict.kind === 'failed') throw failedPrecondition(view.verdict.message, { value: service.spec.name });
      if (view.verdict.kind === 'waiting') {
        cancelTimer?.();
        cancelTimer = undefined;
      } else if (view.verdict.final) finish();
      else if (!cancelTimer) {
        printer.say(`verify: Waiting ${STABLE_MS / 1000} second to verify that tasks are stable...`);
        cancelTimer = io.clock.after(STABLE_MS, finish);
      }
    }
  } finally {
    cancelTimer?.();
  }
  if (interrupted.aborted && !converged) {
    printer.say('Operation continuing in background.');
    printer.say(`Use \`tsswarm service ps ${service.id}\` to check progress.`);
  } else if (!converged) {
    throw unavailable('the manager ended the stream of events before the service converged', {
      hint: `Use "tsswarm service ps ${service.id}" to check progress.`,
    });
  } else printer.say(`verify: Service ${service.id} converged`);
}
