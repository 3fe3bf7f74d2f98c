import type { ApplyProblem, Repair } from '../../netlb/state.js';
import { NetworkRepair, NodeProblem } from '../../proto/gen/index.js';
import type { Assignments } from '../agent/assignments.js';
import type { LocalTask } from '../agent/local-task.js';
import { taskName } from '../agent/template.js';

/** Whom a problem or repair of the data plane concerns, by the name that operators know. */
export type SubjectNames = (subject: ApplyProblem['subject']) => string;

export function subjectNames(
  assignments: Pick<Assignments, 'networks'>,
  task: (id: string) => LocalTask | undefined,
): SubjectNames {
  return ({ kind, id }) => {
    if (kind === 'overlay') return `network ${assignments.networks.get(id)?.name ?? id}`;
    if (kind !== 'sandbox') return kind;
    const local = task(id);
    return `task ${local ? taskName(local.task) : id}`;
  };
}

export function nodeProblems(problems: readonly ApplyProblem[], names: SubjectNames): readonly NodeProblem[] {
  return problems.map(({ subject, message }) => NodeProblem.create({ subject: names(subject), message }));
}

export function networkRepairs(repairs: readonly Repair[], names: SubjectNames): readonly NetworkRepair[] {
  return repairs.map(({ subject, message, at }) => NetworkRepair.create({ subject: names(subject), message, at }));
}
