import { AttachOpen, AttachRequest } from '../../proto/gen/containers.js';
import { slotName } from '../../proto/task-names.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { checkTty, interact } from '../terminal/interaction.js';
import { copyFiles } from './container-copy.js';
import { detachKeysOf, finishWith } from './container-run.js';
import { execThrough } from './container-streams.js';
import type { Need } from './task-choice.js';
import { type Found, findTask } from './task-refs.js';

/** What this side, or the way to the task, failed with: below it are the process's own codes. */
const EXIT_TUNNEL = 125;

export async function execInTask(
  context: Context,
  ref: string,
  command: readonly string[],
  flags: Flags,
): Promise<void> {
  context.failureCode = EXIT_TUNNEL;
  await execThrough(context, command, flags, async () => ({
    ref: (await chosen(context, ref, 'running', flags)).task.id,
    calls: await context.tasks(),
  }));
}

export async function attachTask(context: Context, ref: string, flags: Flags): Promise<void> {
  context.failureCode = EXIT_TUNNEL;
  const detachKeys = detachKeysOf(flags);
  const { task } = await chosen(context, ref, 'running', flags);
  const { openStdin, tty } = task.spec.container;
  const stdin = openStdin && !flags.on('no-stdin');
  checkTty(context.io, { stdin, tty });
  const end = await interact({
    io: context.io,
    open: AttachRequest.create({
      open: AttachOpen.create({ ref: task.id, stdin, size: context.io.terminal?.size() }),
    }),
    message: AttachRequest.create,
    call: (await context.tasks()).attach,
    stdin,
    stdout: true,
    stderr: true,
    tty,
    detachKeys,
    proxySignals: flags.boolean('sig-proxy') ?? true,
  });
  finishWith(context, end);
}

/** `service cp`: the side with a colon is a task's. */
export async function copyTaskFiles(context: Context, source: string, target: string, flags: Flags): Promise<void> {
  await copyFiles(context, source, target, flags, async (ref) => ({
    ref: (await chosen(context, ref, 'container', flags)).task.id,
    calls: await context.tasks(),
  }));
}

/** The task, after saying which one where others would have done as well. */
async function chosen(context: Context, ref: string, need: Need, flags: Flags): Promise<Found> {
  const found = await findTask(context, ref, need, flags.text('node'));
  if (found.others.length > 0 && !flags.on('quiet')) {
    const example = found.others[0] ?? '';
    context.io.err(
      `${slotName(found.task)} on ${found.node} (one of ${found.others.length + 1}: ${example} or --node NODE chooses another)\n`,
    );
  }
  return found;
}
