import type { Clock } from '../../lib/clock.js';
import type { Logger } from '../../lib/log.js';
import type { PortConfig, StoredContainer, StoredEndpoint } from '../../proto/gen/index.js';
import type { SandboxView } from '../agent/next-step.js';
import type { ContainerSettings, Executor } from '../executor/executor.js';
import type { InteractiveExecutor } from '../executor/interactive.js';
import type { HealthMonitor } from '../health/monitor.js';
import type { Store } from './store.js';

export type ContainerExecutor = Executor & InteractiveExecutor;

/** What a container has while it runs. */
export interface Housing {
  readonly endpoints: readonly StoredEndpoint[];
  readonly ports: readonly PortConfig[];
}

export interface RunnerContext {
  readonly executor: ContainerExecutor;
  readonly health: Pick<HealthMonitor, 'watch'>;
  readonly store: Pick<Store<StoredContainer>, 'put' | 'putIfRoom' | 'delete'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Gives it endpoints and ports. @throws what is to be told to who has started it */
  house(record: StoredContainer, signal: AbortSignal): Promise<Housing>;
  /** Takes them back. */
  release(record: StoredContainer, endpoints: readonly StoredEndpoint[]): void;
  sandbox(record: StoredContainer): SandboxView;
  settings(record: StoredContainer): Promise<ContainerSettings>;
  /** Its part of the machine's network state is another now. Resolves when the kernel shows that, but for problems. */
  networkChanged(): Promise<void>;
  /** Nothing is left of it. */
  gone(record: StoredContainer): Promise<void>;
}
