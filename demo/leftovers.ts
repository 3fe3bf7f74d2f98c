import { readdir, readFile } from 'node:fs/promises';
import { execute, LAB } from './cli.js';

/** What standard tools and /proc show of the lab after it was taken down, a line for each thing; empty when all is well. */
export async function leftovers(): Promise<readonly string[]> {
  const [namespaces, links, tables, mounts, cgroups, processes] = await Promise.all([
    lines('ip', ['netns', 'list']),
    lines('ip', ['-oneline', 'link']),
    lines('nft', ['list', 'tables']),
    readFile('/proc/mounts', 'utf8').then((text) => text.split('\n')),
    lines('find', ['/sys/fs/cgroup', '-type', 'd', '-path', '*/tsswarm/lab-*']),
    commandLines(),
  ]);
  const station = `${LAB.prefix}(node\\d+|client|underlay)\\b`;
  const folder = `(${LAB.runRoot}|${LAB.dataRoot})/`;
  const found = (kind: string, all: readonly string[], pattern: string) =>
    all.filter((line) => new RegExp(pattern).test(line)).map((line) => `${kind}: ${line}`);
  return [
    ...found('network namespace', namespaces, `^${station}`),
    ...found('link', links, '^\\d+: (swarm_gwbridge|vxlan0|ve[0-9a-z]{11}|vg[0-9a-z]{11})\\b'),
    ...found('link', links, `alias tsswarm lab ${LAB.name}( |$)`),
    ...found('nft table', tables, '\\btsswarm'),
    ...found('mount', mounts, `${folder}|netns/${station}`),
    ...found('cgroup', cgroups, `/tsswarm/${station}`),
    ...found('process', processes, folder),
  ];
}

async function lines(command: string, args: readonly string[]): Promise<readonly string[]> {
  const { code, stdout, stderr } = await execute(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${stderr.trim()}`);
  return stdout.split('\n').filter(Boolean);
}

/** Command lines of all processes. Not by `ps | grep`: that would find itself. */
async function commandLines(): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const texts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')));
  return texts.map((text) => text.replaceAll('\0', ' ').trim()).filter(Boolean);
}
