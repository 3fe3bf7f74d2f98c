/** What follows from a container's record alone. */
import { ContainerGoal, type StoredContainer } from '../../proto/gen/index.js';
import type { EndOfRun } from './callers.js';

/** How its last run ended. */
export const lastEnd = ({ exitCode: code, error }: StoredContainer): EndOfRun => ({ code, error });

/** What is wanted of it when it is not to run. */
export const restGoal = ({ goal }: StoredContainer): ContainerGoal =>
  goal === ContainerGoal.REMOVE ? ContainerGoal.REMOVE : ContainerGoal.REST;
