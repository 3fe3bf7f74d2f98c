import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Takes longest of their projects, though they are short: begun last, one of them would run while all else is done. */
const LONG = [
  'manager/raft/sim/mutations.test.ts',
  'manager/raft/explore/explore.test.ts',
  'manager/orchestrator/life.property.test.ts',
  'manager/raft/member/raft-member.test.ts',
  'test/linearizability/random.test.ts',
  'manager/allocator/churn.test.ts',
  'test/kernel/plane-kill.test.ts',
  'test/e2e/faults.test.ts',
  'test/e2e/managers-faults.test.ts',
  'test/e2e/no-lost-request.test.ts',
];

/** Vitest's own order (large files first, where it does not know how long they took), with these at each project's head. */
export class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    // The projects stay together: a process that runs several files is given up when one of another project is next.
    const projects = [...new Set(sorted.map(({ project }) => project))];
    const rank = ({ project, moduleId }: TestSpecification): number =>
      2 * projects.indexOf(project) + (LONG.some((name) => moduleId.endsWith(`/${name}`)) ? 0 : 1);
    return sorted.sort((a, b) => rank(a) - rank(b));
  }
}
