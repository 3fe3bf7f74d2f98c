import { lstat, stat } from 'node:fs/promises';
import path from 'node:path';
import { codeOf, errnoOf, failedPrecondition, notFound } from '../../lib/errors.js';
import { CopyFromRequest, CopyToRequest, type PathStat } from '../../proto/gen/containers.js';
import type { Containers, Context } from '../context.js';
import { type Direction, directionOf, type Kind, landingOf, namesContent, parseCopyPath } from '../copy/rules.js';
import { pack, unpack } from '../copy/tar.js';
import type { Flags } from '../flags/flags.js';
import { humanSize } from '../format/human.js';

const STREAM = '-';
const TYPE_BITS = 0o170000;
const FOLDER_BITS = 0o040000;
const CHUNK_BYTES = 512 * 1024;

/** The container of one side, and who copies there. */
export interface CopySide {
  readonly ref: string;
  readonly calls: Pick<Containers, 'copyFrom' | 'copyTo'>;
}

/** @param find what is meant by the name before the colon @throws NOT_FOUND */
export async function copyFiles(
  context: Context,
  source: string,
  target: string,
  flags: Flags,
  find: (ref: string) => Promise<CopySide> = (ref) => sideHere(context, ref),
): Promise<void> {
  const direction = directionOf(parseCopyPath(source), parseCopyPath(target));
  const side = await find('from' in direction ? direction.from : direction.to);
  const bytes =
    'from' in direction
      ? await copyFrom(context, direction, side, flags)
      : await copyTo(context, direction, side, flags);
  const quiet = flags.boolean('quiet') ?? context.io.columns === undefined;
  if (bytes !== undefined && !quiet) context.io.err(`Successfully copied ${humanSize(bytes)} to ${target}\n`);
}

async function sideHere(context: Context, ref: string): Promise<CopySide> {
  const calls = await context.containers();
  return { ref: (await calls.inspectContainer({ ref })).container.id, calls };
}

/** @returns bytes of the archive; undefined when it was the output itself */
async function copyFrom(
  context: Context,
  { from, source, target }: Direction & { from: string },
  side: CopySide,
  flags: Flags,
): Promise<number | undefined> {
  const followLink = flags.on('follow-link');
  const { kind, archive } = await archiveOf(side, from, source, followLink);
  if (target === STREAM) {
    for await (const data of archive) context.io.out(data);
    return undefined;
  }
  const landing = landingOf(source, kind, target, await kindHere(target));
  if ((await kindHere(landing.folder)) !== 'folder')
    throw notFound(`invalid output path: directory "${landing.folder}" does not exist`, { value: target });
  const counted = new Counted(archive);
  await unpack(counted, landing, flags.on('archive'));
  return counted.bytes;
}

async function copyTo(
  context: Context,
  { to, source, target }: Direction & { to: string },
  side: CopySide,
  flags: Flags,
): Promise<number | undefined> {
  const targetKind = await kindThere(side, target);
  const send = async (archive: AsyncIterable<Uint8Array>, folder: string) => {
    const head = CopyToRequest.create({ ref: side.ref, path: folder, archive: flags.on('archive') });
    await side.calls.copyTo(messages(head, archive));
  };
  if (source === STREAM) {
    if (targetKind !== 'folder')
      throw failedPrecondition(`destination "${to}:${target}" must be a directory`, { value: target });
    await send(context.io.stdin, target);
    return undefined;
  }
  const followLink = flags.on('follow-link');
  const kind = await sourceKind(source, followLink);
  const whole = path.resolve(source);
  const landing = landingOf(namesContent(source) ? `${whole}/.` : whole, kind, target, targetKind);
  const [folder, name] =
    whole === '/' || kind === 'folder' ? [whole, '.'] : [path.dirname(whole), path.basename(whole)];
  // Only the named link is followed, not those below it.
  const counted = new Counted(pack(folder, name, landing.name, followLink && kind === 'file'));
  await send(counted, landing.folder);
  return counted.bytes;
}

class Counted implements AsyncIterable<Uint8Array> {
  bytes = 0;
  readonly #source: AsyncIterable<Uint8Array>;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source;
  }

  async *[Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    for await (const data of this.#source) {
      this.bytes += data.length;
      yield data;
    }
  }
}

async function* messages(head: CopyToRequest, archive: AsyncIterable<Uint8Array>) {
  yield head;
  for await (const chunk of archive)
    for (let at = 0; at < chunk.length; at += CHUNK_BYTES)
      yield CopyToRequest.create({ data: chunk.subarray(at, at + CHUNK_BYTES) });
}

/** What stands at a path in a container, and the archive of it. */
async function archiveOf({ ref, calls }: CopySide, name: string, inside: string, followLink: boolean) {
  const answers = calls.copyFrom(CopyFromRequest.create({ ref, path: inside, followLink }))[Symbol.asyncIterator]();
  const first = await answers.next();
  const found = first.done ? undefined : first.value;
  if (!found?.stat) throw notFound(`Could not find the file ${inside} in container ${name}`, { value: inside });
  const archive = async function* (): AsyncIterable<Uint8Array> {
    yield found.data;
    for await (const { data } of { [Symbol.asyncIterator]: () => answers }) yield data;
  };
  return { kind: kindOf(found.stat), archive: archive() };
}

function kindOf({ mode }: PathStat): 'folder' | 'file' {
  return (mode & TYPE_BITS) === FOLDER_BITS ? 'folder' : 'file';
}

/** What a container has at a path, links followed. */
async function kindThere({ ref, calls }: CopySide, inside: string): Promise<Kind> {
  try {
    for await (const { stat: facts } of calls.copyFrom(CopyFromRequest.create({ ref, path: inside, followLink: true })))
      return facts && kindOf(facts);
  } catch (error) {
    if (codeOf(error) !== 'NOT_FOUND') throw error;
  }
  return undefined;
}

async function kindHere(file: string): Promise<Kind> {
  try {
    return (await stat(file)).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Links are copied as such, unless they are to be followed, or the path says that it is a folder. */
async function sourceKind(file: string, followLink: boolean): Promise<'folder' | 'file'> {
  const follows = followLink || /\/\.?$/.test(file);
  try {
    return (await (follows ? stat(file) : lstat(file))).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw notFound(`lstat ${file}: no such file or directory`, { value: file });
    throw error;
  }
}
