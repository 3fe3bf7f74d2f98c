import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { BINARY, type CommandLine, execute, type Outcome, processOutcome } from '../../demo/cli.js';
import { makeRootfsArchive } from '../../demo/image.js';
import { until } from '../../demo/steps.js';
import { codeOf } from '../../lib/errors.js';
import { ContainersService, VolumesService } from '../../proto/gen/index.js';
import { Channel } from '../../proto/rpc/client.js';
import { runInProcess } from '../command-line.js';
import { removeRemains } from './remains.js';

export const IMAGE = 'busybox:latest';
/** Of the machine's only link that leads elsewhere. */
export const ADDRESS = '198.51.100.7';

const DAEMON = path.join(path.dirname(BINARY), 'tsswarmd');

/** A machine with a daemon that is in no swarm: a network namespace and folders of its own. */
export class Machine {
  readonly namespace = `tsswarm-test-${process.pid}`;
  folder = '';
  readonly #commandLine: CommandLine;
  readonly #dataSize: string;
  #daemon: ChildProcess | undefined;

  /** @param dataSize of the file system that its data root is, as `64m`; without it, it is a folder like others */
  constructor(commandLine: CommandLine, dataSize = '') {
    this.#commandLine = commandLine;
    this.#dataSize = dataSize;
  }

  get env(): Record<string, string> {
    return { TSSWARM_HOST: `unix://${this.folder}/run/tsswarm.sock` };
  }

  async up(): Promise<void> {
    this.folder = await mkdtemp(path.join(tmpdir(), 'tsswarm-containers-'));
    const { namespace } = this;
    await must('ip', 'netns', 'add', namespace);
    await must('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
    await must('ip', '-n', namespace, 'link', 'add', 'under', 'type', 'veth', 'peer', 'name', 'beyond');
    for (const link of ['under', 'beyond']) await must('ip', '-n', namespace, 'link', 'set', link, 'up');
    await must('ip', '-n', namespace, 'addr', 'add', `${ADDRESS}/24`, 'dev', 'under');
    if (this.#dataSize !== '') {
      await mkdir(`${this.folder}/data`);
      await must('mount', '-t', 'tmpfs', '-o', `size=${this.#dataSize}`, 'tmpfs', `${this.folder}/data`);
    }
    await this.#startDaemon();
    const { archive, remove } = await makeRootfsArchive();
    try {
      await this.run('image', 'import', '--change', 'CMD ["sh"]', '--change', 'ENV PATH=/bin', archive, IMAGE);
    } finally {
      await remove();
    }
  }

  async #startDaemon(): Promise<void> {
    const roots = ['--data-root', `${this.folder}/data`, '--run-root', `${this.folder}/run`];
    const flags = [...roots, '--cgroup-parent', `/${this.namespace}`];
    this.#daemon = spawn('nsenter', [`--net=/run/netns/${this.namespace}`, DAEMON, ...flags], { stdio: 'ignore' });
    await until('the daemon answers', 60, async () => (await this.outcome('info')).code === 0 || undefined);
  }

  /** Kills the daemon and starts it again. */
  async restart(): Promise<void> {
    await this.#end('SIGKILL');
    await this.#startDaemon();
  }

  async down(): Promise<void> {
    if (this.folder === '') return;
    try {
      if (this.#daemonRuns) await this.clear();
    } finally {
      await this.#end('SIGTERM');
      await removeRemains(this.folder, this.namespace);
      await execute('ip', ['netns', 'del', this.namespace]);
      await rm(this.folder, { recursive: true, force: true });
    }
  }

  get #daemonRuns(): boolean {
    const daemon = this.#daemon;
    return daemon !== undefined && daemon.exitCode === null && daemon.signalCode === null;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (!this.#daemon || !this.#daemonRuns) return;
    this.#daemon.kill(signal);
    await once(this.#daemon, 'exit');
  }

  /** Removes all containers, networks and volumes: by calls of its own, which take less time than commands. @throws when any stays */
  async clear(): Promise<void> {
    const channel = new Channel(this.env.TSSWARM_HOST ?? '');
    try {
      const containers = channel.stubs(ContainersService);
      const { containers: all } = await containers.listContainers({ all: true, filters: [] });
      const remove = async (id: string) => {
        await containers.removeContainer({ ref: id, force: true, volumes: false }).catch((error: unknown) => {
          // One that is removed at its end has ended meanwhile.
          if (codeOf(error) !== 'NOT_FOUND') throw error;
        });
      };
      await Promise.all(all.map(({ id }) => remove(id)));
      const { networks } = await containers.listLocalNetworks({ filters: [{ key: 'type', values: ['custom'] }] });
      for (const { id } of networks) await containers.removeLocalNetwork({ ref: id });
      const volumes = channel.stubs(VolumesService);
      await volumes.pruneVolumes({ all: true, filters: [] });
      const { volumes: left } = await volumes.listVolumes({ filters: [] });
      if (left.length > 0) throw new Error(`volumes are left: ${left.map(({ spec }) => spec.name).join(', ')}`);
    } finally {
      channel.close();
    }
  }

  /** Runs `tsswarm …` to its end. */
  outcome(...args: readonly string[]): Promise<Outcome> {
    return this.#commandLine(args, this.env);
  }

  /** @returns what it prints @throws with its words when it fails */
  async run(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.outcome(...args);
    if (code !== 0) throw new Error(`tsswarm ${args.join(' ')}: exit code ${code}: ${stderr.trim()}`);
    return stdout;
  }

  /** Starts `tsswarm …` with pipes, for tests that talk to it while it runs. */
  start(...args: readonly string[]): Running {
    return new Running(spawn(BINARY, args, { env: { ...process.env, ...this.env } }));
  }

  /** Runs a program in the machine's network. */
  inside(...command: readonly string[]): Promise<string> {
    return must('nsenter', `--net=/run/netns/${this.namespace}`, '--', ...command);
  }

  async inspect(ref: string): Promise<Inspected> {
    const [object] = JSON.parse(await this.run('inspect', ref)) as Inspected[];
    if (!object) throw new Error(`${ref} is not there`);
    return object;
  }
}

export interface Inspected {
  readonly Id: string;
  readonly State: { readonly Status: string; readonly Pid: number; readonly ExitCode: number };
  readonly NetworkSettings: {
    readonly SandboxKey: string;
    readonly Networks: Readonly<Record<string, { readonly IPAddress: string; readonly MacAddress: string }>>;
  };
}

/** A program that runs, and what it has printed so far. */
export class Running {
  readonly child: ChildProcess;
  out = '';
  err = '';
  readonly #exit: Promise<number>;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.on('data', (chunk) => {
      this.out += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      this.err += chunk;
    });
    this.#exit = once(child, 'close').then(([code]) => Number(code));
  }

  type(text: string): void {
    this.child.stdin?.write(text);
  }

  /** Resolves when it has printed this; what came before is forgotten. */
  async prints(text: string): Promise<void> {
    await until(`"${text}" is printed`, 20, async () => this.out.includes(text) || undefined).catch((error: Error) => {
      throw new Error(`${error.message}; there is ${JSON.stringify(this.out.slice(-500))}`);
    });
    this.out = this.out.slice(this.out.indexOf(text) + text.length);
  }

  exit(): Promise<number> {
    return this.#exit;
  }
}

/**
 * A machine for the tests of one file, each of which finds it without containers, networks and volumes. It is taken
 * down whatever becomes of them.
 * @param dataSize of a file system of its own that its data root is, as `64m`
 * @param processes commands are processes of their own, for tests of what one prints and exits with
 */
export function useMachine({ processes = false, dataSize = '' } = {}): Machine {
  const machine = new Machine(processes ? processOutcome : runInProcess, dataSize);
  beforeAll(() => machine.up());
  afterEach(() => machine.clear());
  afterAll(() => machine.down());
  return machine;
}

async function must(command: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await execute(command, args);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')}: exit code ${code}: ${stderr.trim()}`);
  return stdout;
}
