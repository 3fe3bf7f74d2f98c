import type { ApplyProblem } from '../../netlb/state.js';
import { NodeProblem } from '../../proto/gen/index.js';
import type { Assignments } from '../agent/assignments.js';
import type { LocalTask } from '../agent/local-task.js';
import { taskName } from '../agent/template.js';

/** The data plane's problems with the names that operators know. */
export function nodeProblems(
  problems: readonly ApplyProblem[],
  assignments: Pick<Assignments, 'networks'>,
  task: (id: string) => LocalTask | undefined,
): readonly NodeProblem[] {
  const subject = ({ subject: { kind, id } }: ApplyProblem): string => {
    if (kind === 'overlay') return `network ${assignments.networks.get(id)?.name ?? id}`;
    if (kind !== 'sandbox') return kind;
    const local = task(id);
    return `task ${local ? taskName(local.task) : id}`;
  };
  return problems.map((problem) => NodeProblem.create({ subject: subject(problem), message: problem.message }));
}
