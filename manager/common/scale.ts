import type { ServiceSpec } from '../../proto/gen/index.js';

/**
 * A spec that takes the place of another one, with the number of tasks that the load has made of that: going back
 * to an older spec does not go back to the load of then. As it is when it is not scaled by load.
 */
export function atPresentScale(spec: ServiceSpec, present: ServiceSpec): ServiceSpec {
  const { autoscale, replicated } = spec;
  if (!autoscale || !replicated || !present.replicated) return spec;
  const replicas = Math.min(autoscale.max, Math.max(autoscale.min, present.replicated.replicas));
  return { ...spec, replicated: { replicas } };
}
