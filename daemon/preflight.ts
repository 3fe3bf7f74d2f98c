import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { failedPrecondition } from '../lib/errors.js';
import type { KernelFeature } from '../proto/gen/index.js';

/** A program that the daemon starts, and the Debian package that has it. */
interface Tool {
  readonly name: string;
  readonly package: string;
  readonly meaning: string;
  /** Nothing runs without it. */
  readonly required: boolean;
  /** Programs that do as well. */
  readonly or?: readonly string[];
}

const TOOLS: readonly Tool[] = [
  { name: 'runc', or: ['crun'], package: 'runc or crun', meaning: 'runs containers', required: true },
  {
    name: 'conmon',
    package: 'conmon',
    meaning: 'keeps containers, their exit codes and logs while the daemon restarts',
    required: true,
  },
  { name: 'umoci', package: 'umoci', meaning: 'unpacks images', required: true },
  {
    name: 'skopeo',
    package: 'skopeo',
    meaning: 'fetches and converts images; without it no image can be imported or pulled',
    required: true,
  },
  {
    name: 'catatonit',
    or: ['docker-init', 'tini-static'],
    package: 'catatonit',
    meaning: 'is the first process of containers with --init',
    required: false,
  },
  { name: 'nft', package: 'nftables', meaning: 'shows a trace the firewall rules that packets meet', required: false },
];

/** Where the tools are looked for: PATH, and the folders of system programs, which a PATH may lack. */
export function searchPath(environmentPath: string): readonly string[] {
  return [
    ...new Set([
      ...environmentPath.split(':').filter(Boolean),
      '/usr/local/sbin',
      '/usr/local/bin',
      '/usr/sbin',
      '/usr/bin',
      '/sbin',
      '/bin',
    ]),
  ];
}

/** What of the tools is here, in the shape of `doctor`. */
export function probeTools(folders: readonly string[]): readonly KernelFeature[] {
  return TOOLS.map((tool) => {
    const found = [tool.name, ...(tool.or ?? [])]
      .map((name) => findProgram(name, folders))
      .find((file) => file !== undefined);
    return {
      name: tool.name,
      available: found !== undefined,
      detail: found ?? 'not found',
      meaning: tool.meaning,
      remedy: found === undefined ? `apt-get install ${tool.package.replace(' or crun', '')}` : '',
      required: tool.required,
    };
  });
}

function findProgram(name: string, folders: readonly string[]): string | undefined {
  return folders
    .map((folder) => path.join(folder, name))
    .find((file) => {
      try {
        accessSync(file, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** @throws FAILED_PRECONDITION when this process may not do what the daemon does */
export function requirePrivileges(platform: NodeJS.Platform, uid: number | undefined): void {
  if (platform !== 'linux') throw failedPrecondition(`tsswarmd runs on Linux, not on ${platform}`, { value: platform });
  if (uid !== 0) {
    throw failedPrecondition('tsswarmd needs root', {
      value: `uid ${uid}`,
      hint: 'It makes network namespaces, links, mounts and cgroups: start it with sudo or as a service.',
    });
  }
}

/** @throws FAILED_PRECONDITION that lists every required feature that is missing, and its remedy */
export function requireFeatures(features: readonly KernelFeature[]): void {
  const missing = features.filter(({ required, available }) => required && !available);
  if (missing.length === 0) return;
  throw failedPrecondition(
    `this machine lacks what tasks need: ${missing.map(({ name, detail }) => (detail ? `${name} (${detail})` : name)).join(', ')}`,
    {
      hint: missing.map(({ name, meaning, remedy }) => `${name}: ${meaning}${remedy ? `; ${remedy}` : ''}`).join('\n'),
    },
  );
}
