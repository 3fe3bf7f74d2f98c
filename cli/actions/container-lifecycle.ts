import { codeOf, messageOf } from '../../lib/errors.js';
import { ContainerPhase } from '../../proto/gen/containers.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { confirm } from './confirm.js';
import { filtersOf, forEach } from './refs.js';

export async function stopContainers(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const containers = await context.containers();
  const how = stopping(flags);
  await forEach(context, refs, async (ref) => {
    await containers.stopContainer({ ref, ...how });
    context.io.out(`${ref}\n`);
  });
}

export async function restartContainers(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const containers = await context.containers();
  const how = stopping(flags);
  await forEach(context, refs, async (ref) => {
    await containers.restartContainer({ ref, ...how });
    context.io.out(`${ref}\n`);
  });
}

/** `-t`: seconds until SIGKILL; below zero is never. */
function stopping(flags: Flags): { grace: number | undefined; signal: string } {
  const seconds = flags.integer('timeout', -1) ?? flags.integer('time', -1);
  const grace = seconds === undefined ? undefined : seconds < 0 ? Number.MAX_SAFE_INTEGER : seconds * 1e9;
  return { grace, signal: flags.text('signal') ?? '' };
}

export async function killContainers(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const containers = await context.containers();
  await forEach(context, refs, async (ref) => {
    await containers.killContainer({ ref, signal: flags.text('signal') ?? '' });
    context.io.out(`${ref}\n`);
  });
}

export async function removeContainers(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const containers = await context.containers();
  const force = flags.on('force');
  await forEach(context, refs, async (ref) => {
    try {
      await containers.removeContainer({ ref, force, volumes: flags.on('volumes') });
    } catch (error) {
      if (!force || codeOf(error) !== 'NOT_FOUND') throw error;
      context.io.err(`Error: ${messageOf(error)}\n`);
      return;
    }
    context.io.out(`${ref}\n`);
  });
}

/** Prints the exit codes in the order of the containers, which are waited for at once. */
export async function waitForContainers(context: Context, refs: readonly string[]): Promise<void> {
  const containers = await context.containers();
  const ends = new Map(refs.map((ref) => [ref, settled(containers.waitContainer({ ref }))]));
  await forEach(context, refs, async (ref) => {
    const end = await ends.get(ref);
    if (end?.status === 'rejected') throw end.reason;
    context.io.out(`${end?.value.exitCode ?? 0}\n`);
  });
}

/** A promise that is not reported as unhandled while others before it are waited for. */
async function settled<T>(promise: Promise<T>): Promise<PromiseSettledResult<T>> {
  const [result] = await Promise.allSettled([promise]);
  return result;
}

export async function pruneContainers(context: Context, flags: Flags): Promise<void> {
  if (!flags.on('force') && !(await confirm(context, 'This will remove all stopped containers.'))) return;
  const containers = await context.containers();
  const found = await containers.listContainers({ all: true, filters: filtersOf(flags) });
  const stopped = found.containers.filter(
    ({ phase, taskId }) => taskId === '' && (phase === ContainerPhase.EXITED || phase === ContainerPhase.CREATED),
  );
  if (stopped.length > 0) context.io.out('Deleted Containers:\n');
  await forEach(
    context,
    stopped.map(({ id }) => id),
    async (id) => {
      await containers.removeContainer({ ref: id, force: false, volumes: false });
      context.io.out(`${id}\n`);
    },
  );
}
