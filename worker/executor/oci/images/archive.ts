import { createWriteStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { invalidArgument, messageOf } from '../../../../lib/errors.js';
import type { ImportOptions } from '../../executor.js';
import { runTool, ToolError } from '../tool.js';
import { isObject, parseJsonObject } from './config.js';
import { keepDockerSettings } from './docker-settings.js';
import { nameLayersByTheirBytes } from './layer-types.js';
import type { Layout } from './layout.js';
import { ONLY } from './rootfs.js';

export type ArchiveFormat = Exclude<ImportOptions['format'], ''>;

/** One image of an archive. */
export interface ArchivedImage {
  /** For skopeo: `docker-archive:FILE:@0`. */
  readonly source: string;
  readonly names: readonly string[];
}

/** First bytes of the compressions tar archives come in, and the program that takes each away. */
const COMPRESSIONS: readonly { readonly magic: Buffer; readonly program: string }[] = [
  { magic: Buffer.from([0x1f, 0x8b]), program: 'gzip' },
  { magic: Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]), program: 'xz' },
  { magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), program: 'zstd' },
  { magic: Buffer.from('BZh'), program: 'bzip2' },
];

async function compressionOf(file: FileHandle): Promise<string | undefined> {
  const head = Buffer.alloc(8);
  await file.read(head, 0, head.length, 0);
  return COMPRESSIONS.find(({ magic }) => head.subarray(0, magic.length).equals(magic))?.program;
}

/**
 * Writes the bytes to a plain tar file in `folder`, unpacked if they are compressed.
 * @returns its path
 * @throws INVALID_ARGUMENT when they are not what their first bytes say
 */
export async function spoolArchive(archive: AsyncIterable<Uint8Array>, folder: string): Promise<string> {
  const spooled = join(folder, 'archive');
  await pipeline(archive, createWriteStream(spooled, { mode: 0o600 }));
  const file = await open(spooled);
  try {
    const program = await compressionOf(file);
    if (!program) return spooled;
    const plain = join(folder, 'archive.tar');
    const output = await open(plain, 'wx', 0o600);
    try {
      await runTool(program, ['-dc', spooled], { stdout: output.fd });
    } catch (error) {
      if (!(error instanceof ToolError)) throw error;
      throw invalidArgument(`the archive cannot be unpacked: ${error.message}`, { cause: error });
    } finally {
      await output.close();
    }
    return plain;
  } finally {
    await file.close();
  }
}

const withoutDot = (name: string): string => name.replace(/^\.\//, '');

/** The format that an archive with these entries has. */
export function formatOf(entries: readonly string[]): ArchiveFormat {
  const top = new Set(entries.map(withoutDot));
  if (top.has('oci-layout') && top.has('index.json')) return 'oci-archive';
  if (top.has('manifest.json') && entries.some((name) => /(?:\.tar|\.json|^blobs\/.*)$/.test(name)))
    return 'docker-archive';
  return 'rootfs';
}

/** The format of a tar file, and the entries that say what images it has. @throws INVALID_ARGUMENT */
export async function inspectArchive(file: string): Promise<{ format: ArchiveFormat; index: string }> {
  const top: string[] = [];
  let entries = 0;
  try {
    await runTool('tar', ['-tf', file], {
      onLine: (line) => {
        entries++;
        if (!withoutDot(line).includes('/')) top.push(line);
      },
    });
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    throw invalidArgument('the bytes are not a tar archive', {
      hint: 'An image is an OCI archive, a docker archive or a tarball of a root filesystem.',
      cause: error,
    });
  }
  if (entries === 0) throw invalidArgument('the archive is empty');
  const format = formatOf(top);
  const wanted = format === 'oci-archive' ? 'index.json' : 'manifest.json';
  return { format, index: top.find((name) => withoutDot(name) === wanted) ?? '' };
}

function readEntry(file: string, entry: string): Promise<string> {
  return runTool('tar', ['-xOf', file, entry]);
}

/** Images listed by `manifest.json` (docker save). @throws INVALID_ARGUMENT when it lists none */
export async function dockerArchiveImages(file: string, index: string): Promise<ArchivedImage[]> {
  let list: unknown;
  try {
    list = JSON.parse(await readEntry(file, index));
  } catch (cause) {
    throw invalidArgument(`the docker archive has a bad manifest.json: ${messageOf(cause)}`, { cause });
  }
  if (!Array.isArray(list) || list.length === 0) throw invalidArgument('the docker archive has no image');
  return list.map((item, position) => {
    const tags = isObject(item) && Array.isArray(item.RepoTags) ? item.RepoTags : [];
    return {
      source: `docker-archive:${file}:@${position}`,
      names: tags.filter((tag): tag is string => typeof tag === 'string'),
    };
  });
}

/** Images listed by `index.json` (OCI image-spec, image-layout.md). @throws INVALID_ARGUMENT */
export async function ociArchiveImages(file: string, index: string): Promise<ArchivedImage[]> {
  const { manifests } = parseJsonObject(await readEntry(file, index), "the OCI archive's index.json");
  if (!Array.isArray(manifests) || manifests.length === 0) throw invalidArgument('the OCI archive has no image');
  return manifests.map((manifest) => {
    const annotations = isObject(manifest) && isObject(manifest.annotations) ? manifest.annotations : {};
    const reference = annotations['org.opencontainers.image.ref.name'];
    const full = annotations['io.containerd.image.name'];
    if (typeof reference !== 'string' && manifests.length > 1) {
      throw invalidArgument('the OCI archive has several images, and not all have a name', {
        hint: 'Import archives of one image each.',
      });
    }
    // A reference without a repository ("latest", "1.36") names no image by itself.
    const name =
      typeof full === 'string' ? full : typeof reference === 'string' && /[/:]/.test(reference) ? reference : '';
    return {
      source: typeof reference === 'string' ? `oci-archive:${file}:${reference}` : `oci-archive:${file}`,
      names: name === '' ? [] : [name],
    };
  });
}

/**
 * Copies an image of an archive into an empty layout as its only one.
 * @param work folder for temporary files
 * @throws INVALID_ARGUMENT when it is not whole
 */
export async function copyArchived(source: string, layout: Layout, work: string): Promise<void> {
  const skopeo = (...args: string[]) => runTool('skopeo', ['--insecure-policy', '--tmpdir', work, ...args]);
  try {
    // Layers stay as they are: compressing on the way only costs time.
    await skopeo('copy', '--dest-oci-accept-uncompressed-layers', source, `oci:${layout.root}:${ONLY}`);
    await nameLayersByTheirBytes(layout);
    await keepDockerSettings(layout, await skopeo('inspect', '--config', '--raw', source));
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    throw invalidArgument(`the archive has no usable image: ${error.words}`, { cause: error });
  }
}
