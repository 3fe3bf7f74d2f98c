import { createHash } from 'node:crypto';
import { access, constants, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { failedPrecondition, messageOf } from '../../../../lib/errors.js';
import type { Logger } from '../../../../lib/log.js';
import { writeFileAtomically } from '../atomic-file.js';
import { removeCgroup } from '../container/cgroups.js';
import { readIfThere } from '../container/folder.js';
import type { CgroupFacts, HostFacts } from '../container/host-facts.js';
import { systemMounts } from '../container/spec.js';
import { isObject } from '../images/config.js';
import { runTool } from '../tool.js';
import { type RuntimeChoice, runtimeWords } from './runtime.js';

/** crun starts a container in a third of runc's time. */
const PREFERENCE = ['crun', 'runc'];

export interface ProbeOptions {
  /** Where the result is kept, so that a restart is quick. */
  readonly runRoot: string;
  readonly cgroupParent: string;
  readonly host: HostFacts;
  readonly log: Logger;
}

/**
 * The first runtime that runs a container on this machine, in the order crun, runc.
 * @throws FAILED_PRECONDITION with the words of all when none does
 */
export async function chooseRuntime(options: ProbeOptions): Promise<RuntimeChoice> {
  const programs = (await Promise.all(PREFERENCE.map(findProgram))).filter((path) => path !== undefined);
  if (programs.length === 0) {
    throw failedPrecondition('no container runtime is installed', { hint: 'Install one with: apt-get install crun' });
  }
  const key = await machineKey(programs, options.host.cgroup);
  const cache = join(options.runRoot, 'runtime.json');
  const cached = parseCache((await readIfThere(cache)) ?? '', key);
  if (cached) return cached;

  const failures: string[] = [];
  for (const candidate of programs.flatMap((program) => candidates(program, options.host.cgroup))) {
    try {
      const choice = { ...candidate, name: await versionOf(candidate.program) };
      await runProbe(choice, options);
      await writeFileAtomically(cache, JSON.stringify({ key, choice }));
      options.log.info({ runtime: choice.name, prefix: choice.createPrefix }, 'container runtime chosen');
      return choice;
    } catch (error) {
      const words = runtimeWords(messageOf(error));
      options.log.debug({ program: candidate.program, prefix: candidate.createPrefix, words }, 'runtime does not work');
      failures.push(`${candidate.program}: ${words}`);
    }
  }
  throw failedPrecondition(`no container runtime works on this machine: ${failures.join('; ')}`, {
    hint: 'Task containers cannot run on this node until one of them does.',
  });
}

/**
 * Ways to call a runtime, the plain one first. crun refuses machines that have both versions of
 * cgroups; it works in a mount namespace of its own from which version 2 is unmounted.
 */
export function candidates(program: string, cgroup: CgroupFacts): Omit<RuntimeChoice, 'name'>[] {
  const plain = { program, createPrefix: [] };
  if (!program.endsWith('/crun') || cgroup.version === 2 || cgroup.unified === '') return [plain];
  const script = 'umount "$0" && exec "$@"';
  const createPrefix = [
    '/usr/bin/unshare',
    '--mount',
    '--propagation',
    'slave',
    '/bin/sh',
    '-c',
    script,
    cgroup.unified,
  ];
  return [plain, { program, createPrefix }];
}

async function findProgram(name: string): Promise<string | undefined> {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  for (const folder of folders.filter((item) => item.startsWith('/'))) {
    if (await isExecutable(join(folder, name))) return join(folder, name);
  }
  return undefined;
}

async function versionOf(program: string): Promise<string> {
  const [first = ''] = (await runTool(program, ['--version'])).split('\n');
  return first.replace(' version ', ' ').replace(/\+.*$/, '');
}

/** What the choice depends on. */
async function machineKey(programs: readonly string[], cgroup: CgroupFacts): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(cgroup));
  for (const program of programs) {
    const { mtimeMs, size, ino } = await stat(program);
    hash.update(JSON.stringify([program, mtimeMs, size, ino]));
  }
  return hash.digest('hex');
}

function parseCache(text: string, key: string): RuntimeChoice | undefined {
  if (text === '') return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) && value.key === key ? (value.choice as RuntimeChoice) : undefined;
  } catch {
    // Cut off by a crash: probe anew.
    return undefined;
  }
}

/** Runs `true` of this machine, in a container with limits. @throws what went wrong */
async function runProbe(choice: RuntimeChoice, { runRoot, cgroupParent, host }: ProbeOptions): Promise<void> {
  const bundle = await mkdtemp(join(runRoot, 'probe-'));
  const id = `probe-${process.pid}`;
  const cgroupsPath = `${cgroupParent}/${id}`;
  try {
    await mkdir(join(bundle, 'rootfs'));
    await writeFile(join(bundle, 'config.json'), JSON.stringify(await probeSpec(cgroupsPath, host)));
    const [program = '', ...args] = [...choice.createPrefix, choice.program, `--root=${bundle}/state`];
    await runTool(program, [...args, 'run', '--bundle', bundle, id]);
  } finally {
    await removeCgroup(host.cgroup, cgroupsPath);
    await removeCgroup(host.cgroup, cgroupParent);
    await rm(bundle, { recursive: true, force: true });
  }
}

/** With the mounts of a task's container: runtimes differ in what they need there. */
async function probeSpec(cgroupsPath: string, host: HostFacts): Promise<object> {
  const folders: string[] = [];
  for (const folder of ['/bin', '/lib', '/lib64', '/usr', '/nix']) if (await isExecutable(folder)) folders.push(folder);
  const binds = folders.map((path) => ({ destination: path, type: 'bind', source: path, options: ['rbind', 'ro'] }));
  return {
    ociVersion: '1.0.2',
    process: { user: { uid: 0, gid: 0 }, args: ['/bin/true'], env: ['PATH=/bin:/usr/bin'], cwd: '/' },
    root: { path: 'rootfs' },
    mounts: [...systemMounts(host), ...binds],
    linux: {
      cgroupsPath,
      namespaces: ['mount', 'pid', 'ipc', 'uts'].map((type) => ({ type })),
      resources: { memory: { limit: 64 * 2 ** 20 }, pids: { limit: 16 } },
    },
  };
}

/** A statically linked init that can be put into any container; '' when there is none. */
export async function findInitProgram(): Promise<string> {
  const places = ['docker-init', 'catatonit', 'tini-static'].map((name) => `/usr/bin/${name}`);
  for (const path of [...places, '/usr/libexec/podman/catatonit']) if (await isExecutable(path)) return path;
  return '';
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
