import { failedPrecondition, invalidArgument, notFound } from '../../lib/errors.js';
import { type Node, NodeStateName, type Task } from '../../proto/gen/index.js';
import { taskName } from '../../proto/task-names.js';
import type { Kind, ObjectTypes, ReadView } from '../store/store.js';
import { nameOf } from '../store/tables.js';

const CANDIDATES = 5;

/**
 * The object that an operator means: by id, by name, or by the beginning of an id, in this order.
 * @throws NOT_FOUND, or FAILED_PRECONDITION with the candidates when several fit
 */
export function resolve<K extends Kind>(view: ReadView, kind: K, ref: string): ObjectTypes[K] {
  if (ref === '') throw invalidArgument(`which ${kind}? neither an id nor a name was given`);
  const exact = view.get(kind, ref);
  if (exact) return exact;
  for (const found of [named(view, kind, ref), view.byIdPrefix(kind, ref, CANDIDATES + 1)]) {
    if (found.length > 1) throw ambiguous(kind, ref, found);
    if (found[0]) return found[0];
  }
  throw notFound(`no such ${kind}: ${ref}`, { value: ref });
}

function named<K extends Kind>(view: ReadView, kind: K, name: string): readonly ObjectTypes[K][] {
  if (kind !== 'task') return view.byName(kind, name);
  const task = view.get('task', name.slice(name.lastIndexOf('.') + 1));
  return task && taskName(task) === name ? [task as ObjectTypes[K]] : [];
}

function ambiguous<K extends Kind>(kind: K, ref: string, found: readonly ObjectTypes[K][]) {
  const listed = found.slice(0, CANDIDATES).map((object) => describe(kind, object));
  const more = found.length > CANDIDATES ? ', and more' : '';
  return failedPrecondition(`${kind} "${ref}" is ambiguous: it can be ${listed.join(', ')}${more}`, {
    value: ref,
    hint: 'Give the id, or more of it.',
  });
}

function describe<K extends Kind>(kind: K, object: ObjectTypes[K]): string {
  if (kind === 'task') return taskName(object as Task);
  const state = kind === 'node' ? `, ${NodeStateName[(object as Node).status.state].toLowerCase()}` : '';
  return `${object.id} (${nameOf(kind, object)}${state})`;
}
