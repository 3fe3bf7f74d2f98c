import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, invalidArgument } from '../../../../lib/errors.js';
import { type LogSettings, logSettings } from '../../../../lib/log-drivers.js';
import { isMountPoint } from '../../../../netlb/kernel/mounts.js';
import type { ContainerExit } from '../../executor.js';
import type { ContainerCheck } from '../../health-check.js';
import type { HeldVolume } from '../../interactive.js';
import { writeFileAtomically } from '../atomic-file.js';
import { isObject } from '../images/config.js';
import { exists } from '../images/rootfs.js';
import type { ProcessIdentity } from './process.js';

/** What is decided when a container is prepared. */
export interface PreparedRecord {
  readonly id: string;
  readonly name: string;
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly stdinOnce: boolean;
  /** Checked; empty when neither settings nor image have one. */
  readonly stopSignal: string;
  readonly hostname: string;
  /** Empty: the node's own. */
  readonly networkNamespace: string;
  readonly imageId: string;
  /** Its root filesystem, below the writable layer. */
  readonly imageRootfs: string;
  readonly exposedPorts: readonly string[];
  readonly command: readonly string[];
  readonly volumes: readonly HeldVolume[];
  readonly log: LogSettings;
  readonly check: ContainerCheck | undefined;
}

/** What records did not have at first. */
const ADDED: Pick<PreparedRecord, 'volumes' | 'log'> = { volumes: [], log: logSettings('', {}) };

/** What a container's folder says of it; written when it is prepared, started and exited. */
export interface ContainerRecord extends PreparedRecord {
  /** How often it was started. */
  readonly run: number;
  readonly process: ProcessIdentity | undefined;
  /** Milliseconds since the epoch; 0 before the start. */
  readonly startedAt: number;
  readonly exit: ContainerExit | undefined;
}

/** Whether a folder by this name is a container's: that of a task, or of one of the machine's own. Others are somebody else's. */
export const isContainerFolder = (name: string): boolean => /^([0-9a-z]{25}|[0-9a-f]{64})$/.test(name);

/**
 * One container on disk. It is whole when it has a record; without one it was left half-made or
 * half-deleted, and is to be cleaned up.
 */
export class ContainerFolder {
  readonly path: string;
  readonly record: string;
  /** The runtime's config.json is in the folder itself: it is the bundle. */
  readonly config: string;
  readonly rootfs: string;
  readonly upper: string;
  readonly work: string;
  readonly etc: string;
  /** A tmpfs, with the container's secrets and configs. */
  readonly files: string;
  /** Parts of volumes, mounted for it. */
  readonly subpaths: string;
  /** Names of volumes that go with the folder; made before they are. */
  readonly anonymous: string;
  readonly logs: string;
  readonly log: string;
  /** Conmon's note of the exit, which outlives the machine's run folder. */
  readonly exit: string;
  /** Conmon's note that the kernel killed for want of memory. */
  readonly oom: string;
  /** The number of the run that was begun last: its process may exist even without a noted start. */
  readonly launchMark: string;
  readonly pidFile: string;
  readonly conmonPidFile: string;

  constructor(dataRoot: string, id: string) {
    this.path = join(dataRoot, checkedId(id));
    this.record = join(this.path, 'record.json');
    this.config = join(this.path, 'config.json');
    this.rootfs = join(this.path, 'rootfs');
    this.upper = join(this.path, 'upper');
    this.work = join(this.path, 'work');
    this.etc = join(this.path, 'etc');
    this.files = join(this.path, 'files');
    this.subpaths = join(this.path, 'subpaths');
    this.anonymous = join(this.path, 'anonymous');
    this.logs = join(this.path, 'logs');
    this.log = join(this.logs, 'container.log');
    this.exit = join(this.path, 'exit');
    this.oom = join(this.path, 'oom');
    this.launchMark = join(this.path, 'launching');
    this.pidFile = join(this.path, 'pid');
    this.conmonPidFile = join(this.path, 'conmon.pid');
  }

  /** Undefined when there is none, or none that can be read: the folder is not whole. */
  async readRecord(): Promise<ContainerRecord | undefined> {
    const text = await readIfThere(this.record);
    if (text === undefined) return undefined;
    try {
      const value: unknown = JSON.parse(text);
      if (!isObject(value) || typeof value.id !== 'string') return undefined;
      return { ...ADDED, ...value } as unknown as ContainerRecord;
    } catch {
      return undefined;
    }
  }

  /** It has a record, which cannot be read. */
  async isDamaged(): Promise<boolean> {
    return (await readIfThere(this.record)) !== undefined && (await this.readRecord()) === undefined;
  }

  /** It had secrets and configs in memory, and they are gone. */
  async lacksFiles(): Promise<boolean> {
    return (await exists(this.files)) && !isMountPoint(this.files);
  }

  /** The run that was begun last; 0 when none was. */
  async launched(): Promise<number> {
    return Number((await readIfThere(this.launchMark)) ?? 0);
  }

  async writeRecord(record: ContainerRecord): Promise<void> {
    await writeFileAtomically(this.record, JSON.stringify(record), 0o600);
  }
}

/** An id is a file name, a cgroup and a runtime's argument. @throws INVALID_ARGUMENT */
function checkedId(id: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$/.test(id)) {
    throw invalidArgument(`"${id}" is not a container id`, {
      value: id,
      hint: 'It has letters, digits, and _ . - inside.',
    });
  }
  return id;
}

export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
