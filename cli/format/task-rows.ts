import { type Task, TaskState, TaskStateName } from '../../proto/gen/objects.js';
import { slotName } from '../../proto/task-names.js';
import { capitalize, goDuration, humanDuration, naturalOrder, shortId } from './human.js';
import type { ListView } from './list.js';
import { oneLine } from './printable.js';
import { portsText } from './rows.js';

export interface TaskRow {
  readonly ID: string;
  readonly Name: string;
  readonly Image: string;
  readonly Node: string;
  readonly DesiredState: string;
  readonly CurrentState: string;
  readonly Error: string;
  readonly Ports: string;
}

export interface TaskRowOptions {
  readonly now: number;
  readonly truncate: boolean;
  /** Mark tasks that came before in a slot by ` \_ `. */
  readonly indent: boolean;
  readonly nodeName: (id: string) => string;
  readonly serviceName: (task: Task) => string;
  /** Characters of an error that fit; all when left out. */
  readonly errorWidth?: number | undefined;
}

export const taskView: ListView<TaskRow> = {
  table: '{{.ID}}\t{{.Name}}\t{{.Image}}\t{{.Node}}\t{{.DesiredState}}\t{{.CurrentState}}\t{{.Error}}\t{{.Ports}}',
  headers: {
    ID: 'ID',
    Name: 'NAME',
    Image: 'IMAGE',
    Node: 'NODE',
    DesiredState: 'DESIRED STATE',
    CurrentState: 'CURRENT STATE',
    Error: 'ERROR',
    Ports: 'PORTS',
  },
  quiet: (row) => row.ID,
};

/** By service and slot, the newest of a slot first. */
export function taskRows(tasks: readonly Task[], options: TaskRowOptions): TaskRow[] {
  const named = tasks.map((task) => ({ task, name: slotName({ ...task, serviceName: options.serviceName(task) }) }));
  named.sort((a, b) => naturalOrder(a.name, b.name) || b.task.meta.createdAt - a.task.meta.createdAt);
  return named.map(({ task, name }, i) => {
    const isHistory = options.indent && named[i - 1]?.name === name;
    return taskRow(task, isHistory ? ` \\_ ${name}` : name, options);
  });
}

function taskRow(task: Task, name: string, options: TaskRowOptions): TaskRow {
  const { now, truncate, nodeName } = options;
  const { status } = task;
  const state = capitalize(TaskStateName[status.state].toLowerCase());
  const age = humanDuration(Math.max(0, now - status.timestamp));
  const image = task.spec.container.image;
  return {
    ID: truncate ? shortId(task.id) : task.id,
    Name: name,
    Image: truncate ? image.replace(/@.*$/, '') : image,
    Node: task.nodeId === '' ? '' : nodeName(task.nodeId),
    DesiredState: capitalize(TaskStateName[task.desiredState].toLowerCase()),
    CurrentState: `${state} ${age.charAt(0).toLowerCase()}${age.slice(1)} ago`,
    Error: errorText(task, options, truncate ? options.errorWidth : undefined),
    Ports: portsText(status.portStatus.ports),
  };
}

/** Of a task that is kept from starting yet: `restarting in 12s after 4 failures`. */
function restartText({ desiredState, startAfter, restarts, status }: Task, now: number): string {
  const wait = startAfter - now;
  if (desiredState >= TaskState.RUNNING || status.state > TaskState.READY || wait <= 0) return '';
  const failures = restarts?.failures ?? 0;
  return `restarting in ${goDuration(Math.ceil(wait / 1000) * 1e9)}${failures > 1 ? ` after ${failures} failures` : ''}`;
}

/** Of a task that is moved so that its service is even. */
function moveText(task: Task, nodeName: (id: string) => string): string {
  if (task.moveTo === '') return '';
  return `${task.desiredState <= TaskState.RUNNING ? 'moving' : 'moved'} to ${nodeName(task.moveTo)}`;
}

/** Of a task that was stopped although some nodes may still have been sending to it. */
function unconfirmedText({ unconfirmedNodes }: Task, nodeName: (id: string) => string): string {
  if (unconfirmedNodes.length === 0) return '';
  const they = unconfirmedNodes.length === 1 ? 'it sends' : 'they send';
  return `stopped before ${unconfirmedNodes.map(nodeName).join(', ')} had confirmed that ${they} it nothing more`;
}

/** Why a task failed; of one that no node has taken yet, what it waits for. */
export function reasonOf({ status }: Pick<Task, 'status'>): string {
  if (status.error !== '') return status.error;
  return status.state < TaskState.ASSIGNED ? status.message : '';
}

function errorText(task: Task, { now, nodeName }: TaskRowOptions, width = Number.POSITIVE_INFINITY): string {
  const reason =
    task.status.error ||
    unconfirmedText(task, nodeName) ||
    restartText(task, now) ||
    moveText(task, nodeName) ||
    reasonOf(task);
  if (reason === '') return '';
  const line = oneLine(reason);
  const quoted = `"${line}"`;
  return quoted.length <= width ? quoted : `"${line.slice(0, Math.max(0, width - 3))}…"`;
}
