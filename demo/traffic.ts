import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../lib/package.js';
import { execAt, spawnAt } from './cli.js';
import { type Answer, parseAnswer } from './image.js';

/** Requests from the client, each on its own connection. @throws when one is not answered */
export async function requests(url: string, count: number): Promise<readonly Answer[]> {
  const { code, stdout, stderr } = await execAt('client', [
    'curl',
    ...['--silent', '--show-error', '--max-time', '5', '--header', 'Connection: close'],
    `${url}?[1-${count}]`,
  ]);
  if (code !== 0) throw new Error(`curl ${url}: exit code ${code}: ${stderr.trim()}`);
  return stdout
    .split(/^(?=Hostname: )/m)
    .filter(Boolean)
    .map(parseAnswer);
}

/** How often each value occurs. */
export function tally(values: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** One request of a load. */
export interface Sample {
  /** Milliseconds since the epoch at which it was sent. */
  readonly at: number;
  readonly ms: number;
  readonly url: string;
  /** Whether it was sent on a connection that is kept. */
  readonly kept: boolean;
  /** Of the replica that answered. */
  readonly hostname?: string;
  readonly error?: string;
}

/** Streams of requests from the client that go on until `stop`. */
export class Load {
  readonly samples: Sample[] = [];
  readonly #child: ReturnType<typeof spawnAt>;

  /**
   * @param keep how many connections to each address are kept, besides one stream of new connections to all of them
   * @param timeout milliseconds after which a request that is not answered has failed
   */
  constructor(urls: readonly string[], { keep = 0, timeout = 1_000 } = {}) {
    const program = path.join(packageRoot(), 'dist/demo/load.js');
    this.#child = spawnAt('client', [process.execPath, program, String(keep), String(timeout), ...urls]);
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.samples.push(JSON.parse(line) as Sample));
  }

  get failures(): readonly Sample[] {
    return this.samples.filter(({ error }) => error !== undefined);
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill();
    await once(this.#child, 'close');
  }
}
