import { taskName } from '../../proto/task-names.js';
import { isAttachment } from '../common/tasks.js';
import type { ReadView } from '../store/store.js';

/** Whose an address is, for people: `service "db"`. @param owner as the ledger has it: `service/<id>` */
export function describeOwner(view: ReadView, owner: string): string {
  const [kind = '', id = ''] = owner.split('/');
  if (kind === 'service') return `service "${view.get('service', id)?.spec.name ?? id}"`;
  if (kind === 'node') return `node ${view.get('node', id)?.description.hostname ?? id}`;
  const task = view.get('task', id);
  if (!task) return `task ${id}`;
  return `${isAttachment(task) ? 'container' : 'task'} ${taskName(task)}`;
}
