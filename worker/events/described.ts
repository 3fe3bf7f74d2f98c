import type { Containers } from '../containers/containers.js';
import type { ContainerFace } from './telling-executor.js';

/** What a container is told of by, as it is on record; undefined when it is not. */
export function describedBy(containers: Containers, id: string): ContainerFace | undefined {
  const found = containers.all().find((container) => container.id === id);
  if (!found) return undefined;
  const { container } = found.kind === 'local' ? found.runner.record.config : found.local.task.spec;
  return { name: found.name, image: container.image, labels: container.labels };
}
