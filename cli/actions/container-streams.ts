import { failedPrecondition, invalidArgument } from '../../lib/errors.js';
import { AttachOpen, AttachRequest, ContainerPhase, ExecOpen, ExecRequest } from '../../proto/gen/containers.js';
import type { Containers, Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { parseEnv, parseEnvFile } from '../flags/values.js';
import { checkTty, interact } from '../terminal/interaction.js';
import { detachKeysOf, finishWith, readFlagFile } from './container-run.js';
import { forEach } from './refs.js';

export async function startContainers(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const isAttached = flags.on('attach') || flags.on('interactive');
  if (isAttached && refs.length > 1)
    throw invalidArgument('you cannot start and attach multiple containers at once', {
      hint: 'Name one container, or leave --attach and --interactive out.',
    });
  const containers = await context.containers();
  if (!isAttached)
    return forEach(context, refs, async (ref) => {
      await containers.startContainer({ ref });
      context.io.out(`${ref}\n`);
    });
  const ref = refs[0] ?? '';
  await attach(context, ref, flags, {
    stdin: flags.on('interactive'),
    start: async () => void (await containers.startContainer({ ref })),
  });
}

export async function attachContainer(context: Context, ref: string, flags: Flags): Promise<void> {
  const { container } = await (await context.containers()).inspectContainer({ ref });
  if (container.phase === ContainerPhase.RESTARTING)
    throw failedPrecondition('cannot attach to a restarting container, wait until it is running', { value: ref });
  if (container.phase !== ContainerPhase.RUNNING)
    throw failedPrecondition('cannot attach to a stopped container, start it first', { value: ref });
  await attach(context, ref, flags, { stdin: !flags.on('no-stdin'), start: undefined });
}

interface Attached {
  readonly stdin: boolean;
  readonly start: (() => Promise<void>) | undefined;
}

async function attach(context: Context, ref: string, flags: Flags, { stdin, start }: Attached): Promise<void> {
  const detachKeys = detachKeysOf(flags);
  const containers = await context.containers();
  const { container } = (await containers.inspectContainer({ ref })).container.config;
  const takesInput = stdin && container.openStdin;
  checkTty(context.io, { stdin: takesInput, tty: container.tty });
  const end = await interact({
    io: context.io,
    open: AttachRequest.create({
      open: AttachOpen.create({ ref, stdin: takesInput, size: context.io.terminal?.size() }),
    }),
    message: AttachRequest.create,
    call: containers.attach,
    stdin: takesInput,
    stdout: true,
    stderr: true,
    tty: container.tty,
    detachKeys,
    proxySignals: flags.boolean('sig-proxy') ?? true,
    ...(start ? { onOpened: start } : {}),
  });
  finishWith(context, end);
}

export async function execInContainer(
  context: Context,
  ref: string,
  command: readonly string[],
  flags: Flags,
): Promise<void> {
  await execThrough(context, command, flags, async () => ({ ref, calls: await context.containers() }));
}

/** @param find asked when the flags are known to be good: in what it runs, and who runs it */
export async function execThrough(
  context: Context,
  command: readonly string[],
  flags: Flags,
  find: () => Promise<{ readonly ref: string; readonly calls: Pick<Containers, 'exec'> }>,
): Promise<void> {
  const { io } = context;
  const tty = flags.on('tty');
  const detach = flags.on('detach');
  const stdin = flags.on('interactive') && !detach;
  checkTty(io, { stdin, tty });
  const fromFiles = flags.list('env-file').flatMap((file) => parseEnvFile(readFlagFile('env-file', file), io.env));
  const env = [...fromFiles, ...flags.each('env', (text) => parseEnv(text, io.env)).flat()];
  const detachKeys = detachKeysOf(flags);
  const { ref, calls } = await find();
  const end = await interact({
    io,
    open: ExecRequest.create({
      open: ExecOpen.create({
        ref,
        command,
        tty,
        stdin,
        detach,
        env,
        user: flags.text('user') ?? '',
        dir: flags.text('workdir') ?? '',
        privileged: flags.on('privileged'),
        size: tty ? io.terminal?.size() : undefined,
      }),
    }),
    message: ExecRequest.create,
    call: calls.exec,
    stdin,
    stdout: !detach,
    stderr: !detach,
    tty,
    detachKeys,
    // As Docker: only its own terminal's keys reach the process of an exec.
    proxySignals: false,
  });
  finishWith(context, end);
}
