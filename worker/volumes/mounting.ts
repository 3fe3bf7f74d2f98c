import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { failedPrecondition } from '../../lib/errors.js';
import { isMountPoint, unmount } from '../../netlb/kernel/mounts.js';
import { runTool, ToolError } from '../executor/oci/tool.js';

type Options = Readonly<Record<string, string>>;

/** Whether the volume is something else than a folder of its own. */
export const isMounted = (options: Options): boolean => Object.keys(options).length > 0;

/**
 * Arguments of mount(8). With `addr=` the kernel is asked by itself (`-i`), as a helper would take the server from
 * the device.
 * @param address of `addr=`, resolved; empty without one
 */
export function mountArguments({ type = '', o = '', device = '' }: Options, address: string, target: string): string[] {
  const list = o.split(',').filter((option) => option !== '' && !(address !== '' && option.startsWith('addr=')));
  const all = address === '' ? list : [...list, `addr=${address}`];
  return [
    ...(address === '' ? [] : ['-i']),
    ...['-t', type === 'bind' ? 'none' : type],
    ...(all.length > 0 ? ['-o', all.join(',')] : []),
    ...['--', device, target],
  ];
}

/** Nothing happens when it is mounted already. @throws FAILED_PRECONDITION with the words of mount(8) */
export async function mountVolume(name: string, options: Options, target: string): Promise<void> {
  if (isMountPoint(target)) return;
  const address = await resolved(name, options);
  try {
    await runTool('mount', mountArguments(options, address, target));
  } catch (error) {
    if (!(error instanceof ToolError)) throw error;
    throw failedPrecondition(`volume "${name}" cannot be mounted: ${error.words.replace(/^mount: /, '')}`, {
      value: options.device ?? '',
      cause: error,
    });
  }
}

/** Its last user may let go of it later. */
export function unmountVolume(target: string): void {
  if (isMountPoint(target)) unmount(target, { lazy: true });
}

async function resolved(name: string, { o = '' }: Options): Promise<string> {
  const given = o.split(',').find((option) => option.startsWith('addr='));
  if (given === undefined) return '';
  const host = given.slice('addr='.length);
  if (isIP(host) !== 0) return host;
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw failedPrecondition(`volume "${name}" cannot be mounted: the server ${host} is not known`, {
      value: host,
      cause,
    });
  }
}
