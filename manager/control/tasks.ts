import { hasLabel, predicate, type Test } from '../../lib/filters.js';
import { type ControlService, type Task, type TaskState, TaskStateName } from '../../proto/gen/index.js';
import type { Handlers } from '../../proto/rpc/server.js';
import { taskName } from '../../proto/task-names.js';
import { isAttachment } from '../common/tasks.js';
import type { ReadView, Store } from '../store/store.js';
import { oneOf, startsWith } from './filters.js';
import { redact } from './redact.js';
import { resolve } from './refs.js';

type TaskHandlers = Pick<Handlers<typeof ControlService>, 'listTasks' | 'getTask'>;

const STATES: Readonly<Record<string, TaskState>> = Object.fromEntries(
  Object.entries(TaskStateName).map(([state, name]) => [name.toLowerCase(), Number(state) as TaskState]),
);

const named = (id: string, name: string | undefined, value: string): boolean =>
  id !== '' && (id.startsWith(value) || name === value);

function tests(view: ReadView): Readonly<Record<string, Test<Task>>> {
  return {
    id: startsWith((task) => task.id),
    name: startsWith((task) => taskName(task)),
    label: (task, value) => hasLabel(task.spec.container.labels, value),
    service: (task, value) => named(task.serviceId, task.serviceName, value),
    node: (task, value) => named(task.nodeId, view.get('node', task.nodeId)?.description.hostname, value),
    'desired-state': oneOf('desired-state', STATES, (task) => task.desiredState),
    'up-to-date': oneOf('up-to-date', { true: true, false: false }, (task: Task) => isUpToDate(view, task)),
  };
}

export function taskHandlers(store: Store): TaskHandlers {
  return {
    async listTasks({ filters }) {
      const view = store.view();
      const matches = predicate(filters, tests(view));
      // Attachments are containers of nodes, and shown with their networks.
      const tasks = [...candidates(view, filters)].filter((task) => !isAttachment(task) && matches(task));
      return { tasks: tasks.map((task) => redact('task', task)) };
    },

    async getTask({ ref }) {
      return { task: redact('task', resolve(store.view(), 'task', ref)) };
    },
  };
}

/** Uses an index when one exact service or node is asked for, so that `service ps` does not read all tasks. */
function candidates(view: ReadView, filters: readonly { key: string; values: readonly string[] }[]): Iterable<Task> {
  for (const { key, values } of filters) {
    const [only = ''] = values;
    if (values.length !== 1) continue;
    if (key === 'service' && view.get('service', only)) return view.tasksOfService(only);
    if (key === 'node' && view.get('node', only)) return view.tasksOfNode(only);
  }
  return view.list('task');
}

function isUpToDate(view: ReadView, task: Task): boolean {
  return view.get('service', task.serviceId)?.specVersion === task.specVersion;
}
