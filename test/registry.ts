import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { execute } from '../demo/cli.js';
import { until } from '../demo/steps.js';

const PROGRAM = '/usr/bin/docker-registry';

/** Whether tests that need a registry can run; says so when not. */
export function registryInstalled(): boolean {
  const installed = existsSync(PROGRAM);
  if (!installed)
    console.warn(`SKIPPED: what needs a registry, as ${PROGRAM} is not there (apt-get install docker-registry)`);
  return installed;
}

export interface RegistryOptions {
  /** Where images and configuration are kept. */
  readonly folder: string;
  /** TCP port on 127.0.0.1. */
  readonly port: number;
  /** Lines of its configuration about credentials. */
  readonly auth?: string;
  /** What a command begins with that runs where the registry is to be; empty: here. */
  readonly within?: readonly string[];
}

/** A registry that answers on 127.0.0.1 by plain HTTP. */
export class Registry {
  readonly address: string;
  readonly #child: ChildProcess;
  readonly #within: readonly string[];

  private constructor(address: string, child: ChildProcess, within: readonly string[]) {
    this.address = address;
    this.#child = child;
    this.#within = within;
  }

  static async start({ folder, port, auth = '', within = [] }: RegistryOptions): Promise<Registry> {
    const config = path.join(folder, `registry-${port}.yml`);
    const storage = path.join(folder, 'registry');
    const address = `127.0.0.1:${port}`;
    await writeFile(
      config,
      `version: 0.1\nstorage: {filesystem: {rootdirectory: ${storage}}}\nhttp: {addr: "${address}"}\n${auth}`,
    );
    const [command = PROGRAM, ...args] = [...within, PROGRAM, 'serve', config];
    const registry = new Registry(address, spawn(command, args, { stdio: 'ignore' }), within);
    try {
      await until('the registry answers', 10, async () => (await registry.#answers()) || undefined);
      return registry;
    } catch (error) {
      await registry.stop();
      throw error;
    }
  }

  /** Copies an image into it. @param source as skopeo names it: `oci:FOLDER:NAME` @param name repository:tag */
  async push(source: string, name: string): Promise<void> {
    const { code, stderr } = await this.#run(
      'skopeo',
      'copy',
      '--dest-tls-verify=false',
      source,
      `docker://${this.address}/${name}`,
    );
    if (code !== 0) throw new Error(`skopeo copy ${source}: ${stderr.trim()}`);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill();
    await once(this.#child, 'exit');
  }

  async #answers(): Promise<boolean> {
    return (await this.#run('curl', '--silent', '--output', '/dev/null', `http://${this.address}/v2/`)).code === 0;
  }

  #run(...command: readonly string[]) {
    const [program = '', ...args] = [...this.#within, ...command];
    return execute(program, args);
  }
}
