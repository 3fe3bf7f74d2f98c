import { failedPrecondition } from '../../../../lib/errors.js';
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
    return [...this.choice.createPrefix, this.choice.program, `--root=${this.root}`];
  }

  /** @throws FAILED_PRECONDITION with the runtime's words */
  async start(id: string): Promise<void> {
    try {
      await this.#run('start', id);
    } catch (error) {
      if (!(error instanceof ToolError)) throw error;
      throw failedPrecondition(runtimeWords(error.words), { value: id, cause: error });
    }
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
    return runTool(this.choice.program, [`--root=${this.root}`, ...args]);
  }
}

/** The message of a runtime's last line, without time, level and program. */
export function runtimeWords(text: string): string {
  const line = text.trim().split('\n').at(-1) ?? '';
  const message = /msg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1]?.replace(/\\(.)/g, '$1') ?? line;
  return message
    .replace(/^\d{4}-\d\d-\d\dT\S+:\s*/, '')
    .replace(/^(?:container_linux\.go:\d+: |runc \w+ failed: )/, '');
}
