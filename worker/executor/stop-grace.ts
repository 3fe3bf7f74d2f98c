import type { ContainerSpec } from '../../proto/gen/index.js';

const DEFAULT_NS = 10e9;

/** Milliseconds from a container's stop signal to its end by force. */
export const stopGrace = ({ stopGracePeriod }: Pick<ContainerSpec, 'stopGracePeriod'>): number =>
  Math.round((stopGracePeriod ?? DEFAULT_NS) / 1e6);
