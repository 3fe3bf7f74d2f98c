import { failedPrecondition } from '../../lib/errors.js';
import type { Service, UpdateStatus } from '../../proto/gen/objects.js';
import type { Context } from '../context.js';
import { progressPrinter } from './printer.js';
import { ServiceProgress } from './progress.js';
import { watchService } from './service-watch.js';

/** How long all tasks must keep running before a service counts as converged. Docker waits 5 s. */
const STABLE_MS = 1000;

export interface WaitOptions {
  readonly quiet: boolean;
  /** The update status before the change that is waited for. */
  readonly before?: UpdateStatus | undefined;
  readonly wantsRollback?: boolean;
  /** Of a job that was not asked to run: the iteration of its newest run. */
  readonly settledRun?: number | undefined;
}

/**
 * Shows a service's progress until it has converged; driven by the managers' events. Ctrl-C ends
 * the waiting and leaves the service alone.
 * @throws FAILED_PRECONDITION when the update pauses, is rolled back, or the service is removed
 * @throws UNAVAILABLE when no manager answers any more
 */
export async function waitForService(context: Context, service: Service, options: WaitOptions): Promise<void> {
  const { io } = context;
  const control = await context.control();
  const printer = progressPrinter(io, options.quiet);
  const progress = new ServiceProgress(options.before, options.wantsRollback, options.settledRun);
  const interrupted = io.interrupted();
  const done = new AbortController();
  let converged = false;
  let words = `verify: Service ${service.id} converged`;
  let cancelTimer: (() => void) | undefined;
  const unsettle = () => {
    cancelTimer?.();
    cancelTimer = undefined;
  };
  const finish = () => {
    converged = true;
    done.abort();
  };
  const until = AbortSignal.any([done.signal, interrupted]);
  try {
    for await (const news of watchService(control, io.clock, service.id, until)) {
      if (news === 'anew') {
        unsettle();
        progress.restart();
        continue;
      }
      progress.tell(news);
      if (!progress.isComplete) continue;
      const view = progress.view();
      printer.show(view);
      if (view.verdict.kind === 'failed') throw failedPrecondition(view.verdict.message, { value: service.spec.name });
      if (view.verdict.kind === 'waiting') unsettle();
      else if (view.verdict.final) {
        words = view.verdict.words;
        finish();
      } else if (!cancelTimer) {
        printer.say(`verify: Waiting ${STABLE_MS / 1000} second to verify that tasks are stable...`);
        cancelTimer = io.clock.after(STABLE_MS, finish);
      }
    }
  } finally {
    unsettle();
  }
  if (converged) return printer.say(words);
  printer.say('Operation continuing in background.');
  printer.say(`Use \`tsswarm service ps ${service.id}\` to check progress.`);
}
