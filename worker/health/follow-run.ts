import { type AwaitExitOptions, awaitExit } from '../executor/await-exit.js';
import type { ContainerState } from '../executor/executor.js';
import type { HealthMonitor } from './monitor.js';

export interface FollowRunOptions extends AwaitExitOptions {
  readonly health: Pick<HealthMonitor, 'watch'>;
}

/** Checks a container while it runs. @param changed when its health is another @returns and throws as awaitExit */
export async function followRun(
  options: FollowRunOptions,
  container: ContainerState,
  changed: () => void,
  signal: AbortSignal,
): Promise<ContainerState | undefined> {
  const endChecks = options.health.watch(container, changed);
  try {
    return await awaitExit(options, container.id, signal);
  } finally {
    endChecks();
  }
}
