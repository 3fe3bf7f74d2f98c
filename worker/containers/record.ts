/** What follows from a container's record alone. */
import { ContainerGoal, type StoredContainer } from '../../proto/gen/index.js';
import type { EndOfRun } from './callers.js';

/** Of a container that the executor has lost, and of one that could not be started. */
export const LOST_EXIT_CODE = 137;
export const NOT_STARTED_EXIT_CODE = 128;

/** How its last run ended. */
export const lastEnd = ({ exitCode: code, error }: StoredContainer): EndOfRun => ({ code, error });

/** What is wanted of it when it is not to run. */
export const restGoal = ({ goal }: StoredContainer): ContainerGoal =>
  goal === ContainerGoal.REMOVE ? ContainerGoal.REMOVE : ContainerGoal.REST;
