import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, invalidArgument } from '../../../../lib/errors.js';
import type { ProcessTable } from '../../interactive.js';
import { hierarchyOf } from '../container/cgroups.js';
import type { CgroupFacts } from '../container/host-facts.js';
import { runTool, ToolError } from '../tool.js';

/**
 * The processes of a cgroup, as ps(1) of this machine shows them.
 * @param ps its arguments; `-ef` when empty
 * @throws INVALID_ARGUMENT for what ps does not take, or when it shows no PIDs
 */
export async function topOf(facts: CgroupFacts, cgroup: string, ps: readonly string[]): Promise<ProcessTable> {
  const args = ps.length > 0 ? ps : ['-ef'];
  let text: string;
  try {
    text = await runTool('ps', args);
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    throw invalidArgument(`ps ${args.join(' ')}: ${error.words}`, { value: args.join(' '), cause: error });
  }
  return parseProcesses(text, new Set(await processesIn(join(hierarchyOf(facts, 'memory'), cgroup))));
}

/** A table of ps, with the lines of some processes only. The last column may have spaces. */
export function parseProcesses(text: string, pids: ReadonlySet<string>): ProcessTable {
  const [header = '', ...lines] = text.split('\n').filter((line) => line.trim() !== '');
  const titles = header.trim().split(/\s+/);
  const column = titles.indexOf('PID');
  if (column < 0) {
    throw invalidArgument('the output of ps has no column PID', {
      value: header.trim(),
      hint: 'Have it shown: -o pid,cmd',
    });
  }
  const rows = lines.map((line) => {
    const fields = line.trim().split(/\s+/);
    return [...fields.slice(0, titles.length - 1), fields.slice(titles.length - 1).join(' ')];
  });
  return { titles, processes: rows.filter((row) => pids.has(row[column] ?? '')) };
}

/** Process ids in a cgroup and those below it. */
async function processesIn(cgroup: string): Promise<string[]> {
  try {
    const [own, entries] = await Promise.all([
      readFile(join(cgroup, 'cgroup.procs'), 'utf8'),
      readdir(cgroup, { withFileTypes: true }),
    ]);
    const below = entries.filter((entry) => entry.isDirectory()).map(({ name }) => processesIn(join(cgroup, name)));
    return [...own.split('\n').filter((line) => line !== ''), ...(await Promise.all(below)).flat()];
  } catch (error) {
    // It has ended meanwhile.
    if (['ENOENT', 'ENODEV'].includes(errnoOf(error) ?? '')) return [];
    throw error;
  }
}
