import { NodeProblem } from '../../proto/gen/index.js';

/** Characters of what a node says of a task that are kept: no node may fill the log. */
const MOST_WORDS = 5_000;
/** Problems of one node that are kept, and characters of each. */
const MOST_PROBLEMS = 1_000;
const MOST_OF_PROBLEM = 500;

export function clip(text: string, most = MOST_WORDS): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

/** The same objects where nothing is too long. */
export function clipProblems(problems: readonly NodeProblem[]): readonly NodeProblem[] {
  const kept = problems.slice(0, MOST_PROBLEMS).map((problem) => {
    const { subject, message } = problem;
    if (subject.length <= MOST_OF_PROBLEM && message.length <= MOST_OF_PROBLEM) return problem;
    return { ...problem, subject: clip(subject, MOST_OF_PROBLEM), message: clip(message, MOST_OF_PROBLEM) };
  });
  const left = problems.length - kept.length;
  return left > 0 ? [...kept, NodeProblem.create({ subject: 'node', message: `${left} more problems` })] : kept;
}
