import { readFileSync, writeFileSync } from 'node:fs';
import { alreadyExists, codeOf, errnoOf, invalidArgument, messageOf, notFound, SwarmError } from '../../lib/errors.js';
import { AttachOpen, AttachRequest, type ContainerConfig } from '../../proto/gen/containers.js';
import type { Context } from '../context.js';
import { badFlag, type Flags, inFlag } from '../flags/flags.js';
import { attachedStreams, containerConfig, type RunSources } from '../flags/run.js';
import { withTag } from '../flags/service.js';
import { isPassing } from '../retry.js';
import { DEFAULT_DETACH_KEYS, parseDetachKeys } from '../terminal/detach-keys.js';
import { checkTty, interact, type ProcessEnd } from '../terminal/interaction.js';
import { isNamed } from './image-names.js';
import { warn } from './refs.js';
import { registryAuth } from './registry-auth.js';

/** What the daemon refused before anything ran; what the runtime found to be no program; and what it did not find. */
const EXIT_DAEMON = 125;
const EXIT_NOT_EXECUTABLE = 126;
const EXIT_NOT_FOUND = 127;

export async function runContainer(
  context: Context,
  image: string,
  args: readonly string[],
  flags: Flags,
): Promise<void> {
  const streams = attachedStreams(flags);
  const config = containerConfig(image, args, flags, sourcesOf(context, flags));
  const detachKeys = detachKeysOf(flags);
  const { tty } = config.container;
  context.failureCode = 1;
  checkTty(context.io, { stdin: streams.has('stdin'), tty });
  context.failureCode = EXIT_DAEMON;
  const id = await makeContainer(context, config, flags);
  const containers = await context.containers();
  const start = async () => {
    try {
      await containers.startContainer({ ref: id });
    } catch (error) {
      context.failureCode = startFailureCode(error);
      if (config.autoRemove) await removeFailed(context, id);
      throw error;
    }
  };
  if (!streams.has('stdout') && !streams.has('stderr')) context.io.out(`${id}\n`);
  if (streams.size === 0) return start();
  const end = await interact({
    io: context.io,
    open: AttachRequest.create({
      open: AttachOpen.create({ ref: id, stdin: streams.has('stdin'), size: context.io.terminal?.size() }),
    }),
    message: AttachRequest.create,
    call: containers.attach,
    stdin: streams.has('stdin'),
    stdout: streams.has('stdout'),
    stderr: streams.has('stderr'),
    tty,
    detachKeys,
    proxySignals: flags.boolean('sig-proxy') ?? true,
    onOpened: start,
  });
  finishWith(context, end);
  if (end && config.autoRemove) await untilRemoved(context, id);
}

/** As docker's, a command with `--rm` ends when nothing is left of the container: its name is free, its volumes are gone. */
async function untilRemoved(context: Context, id: string): Promise<void> {
  try {
    await (await context.containers()).waitForRemoval({ ref: id });
  } catch (error) {
    // The daemon went away: the next one removes what is on record to go. How the container ended is known.
    if (!isPassing(error)) throw error;
  }
}

export async function createContainer(
  context: Context,
  image: string,
  args: readonly string[],
  flags: Flags,
): Promise<void> {
  const config = containerConfig(image, args, flags, sourcesOf(context, flags));
  context.io.out(`${await makeContainer(context, config, flags)}\n`);
}

/** The process's own exit code becomes ours; words about why it could not run go to standard error. */
export function finishWith(context: Context, end: ProcessEnd): void {
  if (!end) return;
  if (end.error !== '') context.io.err(`Error: ${end.error}\n`);
  context.exitCode = end.code;
}

export function detachKeysOf(flags: Flags): Uint8Array {
  return inFlag('detach-keys', flags.text('detach-keys') ?? DEFAULT_DETACH_KEYS, parseDetachKeys);
}

function sourcesOf(context: Context, flags: Flags): RunSources {
  return {
    env: context.io.env,
    envFiles: flags.list('env-file').map((file) => readFlagFile('env-file', file)),
    labelFiles: flags.list('label-file').map((file) => readFlagFile('label-file', file)),
    folder: process.cwd(),
  };
}

/** The text of a file that a flag names. @throws INVALID_ARGUMENT with flag and file */
export function readFlagFile(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (errnoOf(error) !== undefined) throw badFlag(flag, file, messageOf(error));
    throw error;
  }
}

/** @returns the new container's id, which is in `--cidfile` too */
async function makeContainer(context: Context, config: ContainerConfig, flags: Flags): Promise<string> {
  const cidfile = flags.text('cidfile');
  if (cidfile !== undefined) claimFile(cidfile);
  await provideImage(context, config.container.image, flags);
  const container = { ...config.container, registryAuth: authOf(context, config.container.image) };
  const { id, warnings } = await (await context.containers()).createContainer({ config: { ...config, container } });
  warn(context, warnings);
  if (cidfile !== undefined) writeFileSync(cidfile, id);
  return id;
}

function claimFile(file: string): void {
  try {
    writeFileSync(file, '', { flag: 'wx' });
  } catch (error) {
    if (errnoOf(error) === 'EEXIST')
      throw alreadyExists(`container ID file found, make sure the other container isn't running or delete ${file}`, {
        value: file,
      });
    if (errnoOf(error) !== undefined) throw badFlag('cidfile', file, messageOf(error));
    throw error;
  }
}

/** As `--pull` says: `missing` (default) pulls what is not here, with the registry's words on standard error. */
async function provideImage(context: Context, image: string, flags: Flags): Promise<void> {
  const policy = flags.text('pull') ?? 'missing';
  if (!['always', 'missing', 'never'].includes(policy))
    throw invalidArgument(`invalid pull option: '${policy}': must be one of "always", "missing" or "never"`, {
      value: policy,
    });
  const agent = await context.agent();
  const { images } = await agent.listImages({});
  const isHere = images.some((candidate) => isNamed(candidate, image));
  if (policy === 'always' || (policy === 'missing' && !isHere)) {
    const quiet = flags.on('quiet');
    if (!isHere && !quiet) context.io.err(`Unable to find image '${withTag(image)}' locally\n`);
    const request = { name: withTag(image), registryAuth: authOf(context, image), plainHttp: false };
    for await (const { message } of agent.pullImage(request))
      if (message !== '' && !quiet) context.io.err(`${message}\n`);
  } else if (!isHere)
    throw notFound(`No such image: ${withTag(image)}`, { value: image, hint: 'See "tsswarm image ls".' });
}

/** What `docker login` kept; where a helper keeps it, the registry is asked without. */
function authOf(context: Context, image: string): string {
  try {
    return registryAuth(image, context.io.env);
  } catch (error) {
    if (codeOf(error) === 'FAILED_PRECONDITION') return '';
    throw error;
  }
}

/** Docker's codes for a start that failed, by the words of the runtime. */
function startFailureCode(error: unknown): number {
  const words = messageOf(error);
  if (/executable file not found|no such file or directory/i.test(words)) return EXIT_NOT_FOUND;
  return /permission denied|operation not permitted|is a directory/i.test(words) ? EXIT_NOT_EXECUTABLE : EXIT_DAEMON;
}

async function removeFailed(context: Context, id: string): Promise<void> {
  try {
    await (await context.containers()).removeContainer({ ref: id, force: true, volumes: true });
  } catch (error) {
    if (!(error instanceof SwarmError) || error.code !== 'NOT_FOUND') throw error;
  }
}
