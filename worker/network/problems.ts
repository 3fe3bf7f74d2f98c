import type { ApplyProblem, Repair } from '../../netlb/state.js';
import { NetworkRepair, NodeProblem } from '../../proto/gen/index.js';
import { PROTOCOLS } from '../../proto/ports.js';
import { taskName } from '../../proto/task-names.js';
import type { LocalTask } from '../agent/local-task.js';

/** Whom a problem or repair of the data plane concerns, by the name that operators know. */
export type SubjectNames = (subject: ApplyProblem['subject']) => string;

/** What operators know by a name. */
export interface NamedParts {
  readonly networks: readonly { readonly id: string; readonly name: string }[];
  /** By the names of their sandboxes. */
  readonly containers: readonly { readonly sandbox: string; readonly name: string }[];
  readonly tasks: readonly LocalTask[];
}

export function subjectNames({ networks, containers, tasks }: NamedParts): SubjectNames {
  return ({ kind, id }) => {
    if (kind === 'overlay' || kind === 'bridge') {
      return `network ${networks.find((network) => network.id === id)?.name ?? id}`;
    }
    if (kind === 'key') return `network key ${id}`;
    if (kind !== 'sandbox') return kind;
    const container = containers.find(({ sandbox }) => sandbox === id);
    if (container) return `container ${container.name}`;
    const local = tasks.find(({ task }) => task.id === id);
    return `task ${local ? taskName(local.task) : id}`;
  };
}

export function nodeProblems(problems: readonly ApplyProblem[], names: SubjectNames): readonly NodeProblem[] {
  return problems.map(({ subject, message, port }) =>
    NodeProblem.create({
      subject: names(subject),
      message,
      publishedPort: port?.published ?? 0,
      protocol: port && PROTOCOLS[port.protocol],
      hostAddress: port?.hostAddress ?? '',
    }),
  );
}

/** @param unreadable by the ids of containers, where their damaged records are now */
export function lostContainers(unreadable: ReadonlyMap<string, string>): readonly NodeProblem[] {
  return [...unreadable].map(([id, file]) =>
    NodeProblem.create({
      subject: `container ${id}`,
      message:
        `it is lost: its record is damaged, and is ${file} now. What it has written is kept until that file is deleted and ` +
        'tsswarmd started again',
    }),
  );
}

export function networkRepairs(repairs: readonly Repair[], names: SubjectNames): readonly NetworkRepair[] {
  return repairs.map(({ subject, message, at }) => NetworkRepair.create({ subject: names(subject), message, at }));
}
