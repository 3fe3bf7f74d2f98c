import { until } from '../../../demo/steps.js';
import type { NodeLayout } from '../../../lab/layout.js';
import { allDone } from '../../../lib/async.js';
import { Random } from '../../../manager/raft/core/testing/random.js';
import type { RegisterOperation } from '../../linearizability/register.js';
import { Client } from './client.js';
import { inject } from './inject.js';
import { createRegisters } from './registers.js';
import { schedule } from './schedule.js';

export interface RunOptions {
  readonly seed: number;
  readonly managers: readonly NodeLayout[];
  readonly clients: number;
  readonly registers: number;
  readonly seconds: number;
  readonly say: (words: string) => void;
}

export interface Run {
  readonly history: readonly RegisterOperation[];
  /** In words. */
  readonly episodes: readonly string[];
}

/** Seconds in which the swarm must take writes again when its faults are mended. */
const RECOVERY = 30;
/** Writes that must succeed between two episodes. */
const PROGRESS = 20;

/**
 * Clients at work while managers fail, and a history of what they saw. At the end every register is
 * read from every manager.
 * @throws when the managers take no writes after their faults are mended, or answer what no fault explains
 */
export async function runClients({ seed, managers, clients, registers, seconds, say }: RunOptions): Promise<Run> {
  const sockets = managers.map(({ host }) => host);
  const names = Array.from({ length: registers }, (_, index) => `register-${seed}-${index}`);
  const keys = (await createRegisters(sockets[0] ?? '', names)).map(({ id }) => id);
  const history: RegisterOperation[] = [];
  const client = (process: number) =>
    new Client({ process, sockets, keys, history, random: new Random(seed * 1_000 + process) });

  const stop = new AbortController();
  const failed = new AbortController();
  const working = Array.from({ length: clients }, (_, index) => client(index + 1).run(stop.signal));
  for (const work of working) work.catch((error: unknown) => failed.abort(error));
  const episodes: string[] = [];
  try {
    const end = performance.now() + seconds * 1_000;
    for (const episode of schedule(new Random(seed), managers.length)) {
      await moreWrites(history, failed.signal);
      if (performance.now() > end) break;
      const words = await inject(episode, managers);
      say(words);
      episodes.push(words);
    }
  } finally {
    stop.abort();
    await allDone(working);
  }
  await readAll(client(0), managers.length, keys);
  return { history, episodes };
}

/** What there is in a history, by kind. */
export function countsOf(history: readonly RegisterOperation[]) {
  const count = (is: (operation: RegisterOperation) => boolean) => history.filter(is).length;
  return {
    reads: count(({ input, output }) => input.kind === 'read' && output !== undefined),
    writes: count(({ input, output }) => input.kind === 'cas' && output === 'ok'),
    refused: count(({ output }) => output === 'refused'),
    unanswered: count(({ output }) => output === undefined),
  };
}

async function moreWrites(history: readonly RegisterOperation[], failed: AbortSignal): Promise<void> {
  const wanted = countsOf(history).writes + PROGRESS;
  await until(`${PROGRESS} more writes`, RECOVERY, async () => {
    failed.throwIfAborted();
    return countsOf(history).writes >= wanted || undefined;
  });
}

async function readAll(client: Client, managers: number, keys: readonly string[]): Promise<void> {
  try {
    for (let manager = 0; manager < managers; manager++)
      for (const key of keys)
        await until(`manager ${manager} answers`, RECOVERY, async () => client.read(manager, key));
  } finally {
    client.close();
  }
}
