import { errnoOf, resourceExhausted, SwarmError } from './errors.js';

const WORDS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ENOSPC: ['no space is left on the disk', '"df -h" and "df -i" show which file system is full: free some of it.'],
  EDQUOT: ['the disk quota is used up', '"quota" shows whose: raise it, or free some space.'],
  EROFS: ['the disk can only be read', 'The kernel makes it so after errors: "dmesg" tells which. "mount" shows it.'],
  EIO: ['the disk has failed to read or write', '"dmesg" tells which disk, and what is wrong with it.'],
};

/** Whether something was not written because there is no room for it. What makes room is to go on then. */
export function isDiskFull(error: unknown): boolean {
  const errno = errnoOf(error) ?? '';
  return errno === 'ENOSPC' || errno === 'EDQUOT';
}

/**
 * What is wrong with a disk, in words for who can mend it.
 * @param folder where it happened, if the error does not say
 * @returns undefined when the error is of another kind
 */
export function diskError(error: unknown, folder?: string): SwarmError | undefined {
  if (error instanceof SwarmError) return undefined;
  const words = WORDS[errnoOf(error) ?? ''];
  if (!words) return undefined;
  const [what, hint] = words;
  const place = (error as { readonly path?: unknown }).path ?? folder;
  const message = typeof place === 'string' ? `${what}: ${place}` : what;
  return resourceExhausted(message, { value: typeof place === 'string' ? place : undefined, hint, cause: error });
}
