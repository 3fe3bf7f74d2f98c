import type { ContainerConfig } from '../../proto/gen/index.js';
import { networkMode } from './endpoints.js';

/** What of a configuration has no effect, in words. */
export function createWarnings(config: ContainerConfig): string[] {
  const { kind } = networkMode(config);
  const publishes = config.ports.length > 0 || config.publishAll;
  return publishes && (kind === 'host' || kind === 'none')
    ? [`Published ports are discarded when using ${kind} network mode`]
    : [];
}
