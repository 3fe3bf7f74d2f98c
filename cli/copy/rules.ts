import path from 'node:path';
import { failedPrecondition, invalidArgument, notFound } from '../../lib/errors.js';

/** One side of `cp`: a path of this machine, or of a container. */
export interface CopyPath {
  /** Undefined: this machine. */
  readonly container: string | undefined;
  readonly path: string;
}

/** `CONTAINER:PATH`, or a path of this machine: an absolute one, one that begins with a dot, or one without a colon. */
export function parseCopyPath(text: string): CopyPath {
  const colon = text.indexOf(':');
  if (colon <= 0 || text.startsWith('/') || text.startsWith('.')) return { container: undefined, path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

export type Direction =
  | { readonly from: string; readonly source: string; readonly target: string }
  | { readonly to: string; readonly source: string; readonly target: string };

/** @throws INVALID_ARGUMENT when not just one side is a container's */
export function directionOf(source: CopyPath, target: CopyPath): Direction {
  if (source.container !== undefined && target.container !== undefined)
    throw invalidArgument('copying between containers is not supported', {
      hint: 'Copy to this machine first, or pipe: cp A:/path - | cp - B:/path.',
    });
  for (const side of [source, target])
    if (side.path === '') throw invalidArgument('the path is empty', { hint: 'It looks like web:/etc/hosts.' });
  if (source.container !== undefined) return { from: source.container, source: source.path, target: target.path };
  if (target.container !== undefined) return { to: target.container, source: source.path, target: target.path };
  throw invalidArgument('must specify at least one container source', { hint: 'It looks like web:/etc/hosts.' });
}

/** What stands at a path; undefined for nothing. */
export type Kind = 'folder' | 'file' | undefined;

/** Where an archive is unpacked, and the name that its first element gets there; `.` for the folder itself. */
export interface Landing {
  readonly folder: string;
  readonly name: string;
}

/**
 * Docker's rules of `cp`. A folder is copied into a folder that is there, or becomes one that is not; `SOURCE/.` is what is
 * in it. A file goes into a folder that is there, or becomes the file of the target's name, there before or not.
 * @throws FAILED_PRECONDITION, NOT_FOUND for a source and a target that do not fit
 */
export function landingOf(source: string, sourceKind: 'folder' | 'file', target: string, targetKind: Kind): Landing {
  const mustBeFolder = target.endsWith('/') || target.endsWith('/.');
  const bare = path.posix.normalize(target).replace(/(?<=.)\/$/, '');
  if (targetKind === 'folder') {
    const isContent = sourceKind === 'folder' && namesContent(source);
    return { folder: bare, name: isContent ? '.' : path.posix.basename(path.posix.resolve('/', source)) || '.' };
  }
  if (sourceKind === 'folder' && targetKind === 'file')
    throw failedPrecondition(`cannot copy directory ${source} onto the file ${target}`, { value: target });
  if (mustBeFolder && (targetKind === 'file' || sourceKind === 'file'))
    throw notFound(`no such directory: ${target}`, {
      value: target,
      hint: 'Make it first, or leave the / at its end out.',
    });
  return { folder: path.posix.dirname(bare), name: path.posix.basename(bare) };
}

/** Whether a path is `.` or ends so: what is in the folder, and not the folder. */
export function namesContent(source: string): boolean {
  return /(?:^|\/)\.\/?$/.test(source);
}

/** The expression of tar's --transform that gives the first element of an archive this name, and all below it. */
export function renaming(name: string): string {
  return `s,^[^/]*,${name.replace(/[\\&,]/g, '\\$&').replaceAll('\n', '\\\n')},S`;
}
