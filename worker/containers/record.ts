/** What follows from a container's record, or from how the executor has it. */
import { ContainerGoal, type StoredContainer } from '../../proto/gen/index.js';
import type { ContainerExit, ContainerState } from '../executor/executor.js';
import type { EndOfRun } from './callers.js';

/** Of a container that the executor has lost, and of one that could not be started. */
const LOST_EXIT_CODE = 137;
export const NOT_STARTED_EXIT_CODE = 128;

/** How a run ended that is over. @param now stands for the time of an end that nobody has seen */
export const endOf = (container: ContainerState | undefined, now: number): ContainerExit =>
  container?.exit ?? { code: LOST_EXIT_CODE, oomKilled: false, finishedAt: now };

/** How its last run ended, as it was told. */
export const lastEnd = ({ exitCode: code, error }: StoredContainer): EndOfRun => ({ code, error });

/** What is wanted of it when it is not to run. */
export const restGoal = ({ goal }: StoredContainer): ContainerGoal =>
  goal === ContainerGoal.REMOVE ? ContainerGoal.REMOVE : ContainerGoal.REST;
