import { readFile } from 'node:fs/promises';
import { execute } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { processes, signalAll } from '../../lab/processes.js';

/**
 * Takes away what a daemon that has ended has left: its containers and their conmon, which outlive it, their cgroups
 * and what is mounted in its folder.
 * @param folder the daemon's, with all its roots
 * @param cgroup the name of the one that those of its containers are in
 */
export async function removeRemains(folder: string, cgroup: string): Promise<void> {
  await until('no container is left', 20, async () => {
    const left = processes().filter(
      ({ argv, cgroups }) =>
        cgroups.some((path) => path.startsWith(`/${cgroup}/`)) ||
        (argv[0]?.endsWith('conmon') && argv.some((arg) => arg.startsWith(`${folder}/`))),
    );
    signalAll(
      left.map(({ pid }) => pid),
      'SIGKILL',
    );
    return left.length === 0 || undefined;
  });
  const mounts = (await readFile('/proc/self/mounts', 'utf8'))
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((point) => point.startsWith(`${folder}/`));
  // The last mounted first: it may be below another.
  if (mounts.length > 0) await succeeds('umount', '--lazy', ...mounts.reverse());
  const ours = ['(', '-name', cgroup, '-o', '-path', `*/${cgroup}/*`, ')'];
  await succeeds('find', '/sys/fs/cgroup', '-depth', '-type', 'd', ...ours, '-delete');
}

async function succeeds(command: string, ...args: readonly string[]): Promise<void> {
  const { code, stderr } = await execute(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}: ${stderr.trim()}`);
}
