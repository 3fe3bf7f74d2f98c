import { TaskState, TaskStateName } from '../../proto/gen/objects.js';
import type { ProgressView, SlotView } from './progress.js';

const BAR_WIDTH = 50;
/** With more tasks than this only the sum is shown, as Docker does. */
const MAX_BARS = 20;

/** The states on the way to running, in order. */
const STEPS: readonly TaskState[] = [
  TaskState.NEW,
  TaskState.PENDING,
  TaskState.ASSIGNED,
  TaskState.ACCEPTED,
  TaskState.PREPARING,
  TaskState.READY,
  TaskState.STARTING,
  TaskState.RUNNING,
];
const STATE_WIDTH = Math.max(...STEPS.map((step) => TaskStateName[step].length));

export function overallLine({ done, total, isJob, verdict }: ProgressView): string {
  if (total === undefined && isJob)
    return `job progress: ${verdict.kind === 'waiting' ? 'waiting for tasks' : 'not running'}`;
  if (total === undefined) return 'overall progress: waiting for new tasks';
  return isJob ? `job progress: ${done} out of ${total} complete` : `overall progress: ${done} out of ${total} tasks`;
}

/** Of a job: how many of its tasks are on their way. */
export function activeLine({ active }: ProgressView): string | undefined {
  return active && `active tasks: ${active.now} out of ${active.most} tasks`;
}

/** One line for each task, with a bar where it is on its way and words where it is not. */
export function barLines(view: ProgressView): string[] {
  if (view.slots.length > MAX_BARS) return [];
  return view.slots.map((slot) => `${slot.label}: ${bar(slot)}`);
}

/** The same without bars, for output that is no terminal: where each task is that has not failed. */
export function plainLines(view: ProgressView): string[] {
  if (view.slots.length > MAX_BARS) return [];
  return view.slots
    .filter(({ state }) => state !== undefined && state <= TaskState.COMPLETE)
    .map(({ label, state, reason }) => line(label, state, reason));
}

/** How tasks failed. Lines of their own: a task's successor, which is on its way already, has not failed. */
export function failureLines(view: ProgressView): string[] {
  if (view.slots.length > MAX_BARS) return [];
  return view.slots.flatMap(({ label, failure }) => (failure ? [line(label, failure.state, failure.reason)] : []));
}

function line(label: string, state: TaskState | undefined, reason: string): string {
  return `${label}: ${stateName(state)}${reason === '' ? '' : `: ${reason}`}`;
}

function stateName(state: TaskState | undefined): string {
  return state === undefined ? '' : TaskStateName[state].toLowerCase();
}

function bar({ state, reason, failure }: SlotView): string {
  const words = reason || failure?.reason;
  if (words) return words;
  if (state === undefined) return '';
  const step = state === TaskState.COMPLETE ? STEPS.length - 1 : STEPS.indexOf(state);
  if (step < 0) return stateName(state);
  const filled = Math.round(((step + 1) / STEPS.length) * BAR_WIDTH);
  const drawn = `${'='.repeat(filled)}${filled < BAR_WIDTH ? '>' : ''}`.slice(0, BAR_WIDTH);
  return `${stateName(state).padEnd(STATE_WIDTH)} [${drawn.padEnd(BAR_WIDTH)}]`;
}
