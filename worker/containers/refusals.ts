import { failedPrecondition, notFound, type SwarmError } from '../../lib/errors.js';
import { ContainerGoal, type StoredContainer } from '../../proto/gen/index.js';

/** Why something cannot be done with a container of this machine now. */
export function noSuchContainer(name: string): SwarmError {
  return notFound(`No such container: ${name}`, { value: name });
}

export function notRunning(name: string): SwarmError {
  return failedPrecondition(`cannot kill container: ${name}: container is not running`, { value: name });
}

export function stillRunning({ config: { name } }: StoredContainer): SwarmError {
  return failedPrecondition(`cannot remove container "${name}": container is running`, {
    value: name,
    hint: 'Stop the container before removing it, or force the removal (-f).',
  });
}

export const calledOff = (): SwarmError => failedPrecondition('the start was called off');

/** @throws FAILED_PRECONDITION for one that is being removed */
export function refuseRemoved({ goal, config: { name } }: StoredContainer): void {
  if (goal !== ContainerGoal.REMOVE) return;
  throw failedPrecondition(`container ${name} is marked for removal`, { value: name });
}
