import { closeSync, constants, openSync, unlinkSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, failedPrecondition } from '../../../../lib/errors.js';
import { runTool, ToolError } from '../tool.js';

/** How an OCI runtime is called on this machine. */
export interface RuntimeChoice {
  /** "crun 1.8.1" */
  readonly name: string;
  /** Absolute path. */
  readonly program: string;
  /** Program and arguments that come before the runtime's own where it makes a container; may be empty. */
  readonly createPrefix: readonly string[];
}

/** An OCI runtime with a state folder of its own. */
export class Runtime {
  readonly choice: RuntimeChoice;
  readonly root: string;

  constructor(choice: RuntimeChoice, root: string) {
    this.choice = choice;
    this.root = root;
  }

  /** The command that conmon runs `create …` with. */
  get createCommand(): readonly string[] {
    return [...this.choice.createPrefix, ...this.command];
  }

  /** For all that does not make a container. */
  get command(): readonly string[] {
    return [this.choice.program, `--root=${this.root}`];
  }

  /** Where the runtime keeps what it knows of a container. */
  folder(id: string): string {
    return join(this.root, id);
  }

  /** @throws FAILED_PRECONDITION with the runtime's words */
  async start(id: string): Promise<void> {
    if (release(join(this.folder(id), 'exec.fifo'))) return;
    try {
      await this.#run('start', id);
    } catch (error) {
      if (!(error instanceof ToolError)) throw error;
      throw failedPrecondition(runtimeWords(error.words), { value: id, cause: error });
    }
  }

  /**
   * The part of `delete` that is left for a container whose processes and cgroup are gone, without a
   * process for it.
   */
  async forget(id: string): Promise<void> {
    await rm(this.folder(id), { recursive: true, force: true });
  }

  /** Kills what runs and forgets the container; fine when it is not known. */
  async delete(id: string): Promise<void> {
    try {
      await this.#run('delete', '--force', id);
    } catch (error) {
      if (!(error instanceof ToolError) || !/does not exist|No such file/i.test(error.words)) throw error;
    }
  }

  /** `created`, `running`, `stopped`, or undefined when it does not know the container. */
  async status(id: string): Promise<string | undefined> {
    try {
      return /"status"\s*:\s*"([^"]+)"/.exec(await this.#run('state', id))?.[1];
    } catch (error) {
      if (error instanceof ToolError) return undefined;
      throw error;
    }
  }

  #run(...args: readonly string[]): Promise<string> {
    const [program = '', ...own] = this.command;
    return runTool(program, [...own, ...args]);
  }
}

/**
 * A created container's process waits for a byte from a fifo, with which crun's `start` does no more
 * than this; doing it here saves a process for each start. The fifo opens at once only when such a
 * process reads it: a runtime with another way (runc's process writes) is left to its own command.
 * @returns false when nobody reads the fifo
 */
function release(fifo: string): boolean {
  let fd: number;
  try {
    fd = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (['ENOENT', 'ENXIO'].includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
  try {
    writeSync(fd, '0');
    // Its absence tells the runtime, when it is asked, that the container was started.
    unlinkSync(fifo);
  } finally {
    closeSync(fd);
  }
  return true;
}

/** The message of a runtime's last line, without time, level and program. */
export function runtimeWords(text: string): string {
  const line = text.trim().split('\n').at(-1) ?? '';
  const message = /msg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1]?.replace(/\\(.)/g, '$1') ?? line;
  return message
    .replace(/^\d{4}-\d\d-\d\dT\S+:\s*/, '')
    .replace(/^(?:container_linux\.go:\d+: |runc \w+ failed: )/, '');
}
