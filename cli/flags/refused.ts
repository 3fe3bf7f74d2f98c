import { invalidArgument } from '../../lib/errors.js';
import type { Flags } from './flags.js';

/** A flag of Docker's `run` that means something that is not there; a `value` says that it takes one. */
export interface RefusedFlag {
  readonly name: string;
  readonly value?: boolean;
  readonly reason: string;
}

const NAMESPACE = 'containers have namespaces of their own only';

export const REFUSED: readonly RefusedFlag[] = [
  { name: 'privileged', reason: 'privileged containers are not run here: use --cap-add and --device' },
  ...['ipc', 'pid', 'uts', 'userns', 'cgroupns'].map((name) => ({ name, value: true, reason: NAMESPACE })),
  { name: 'link', value: true, reason: 'containers of a user-defined network find each other by name: use --network' },
  { name: 'volumes-from', value: true, reason: 'name the mounts by --volume or --mount' },
  { name: 'gpus', value: true, reason: 'use --device' },
  { name: 'shm-size', value: true, reason: 'mount one by --tmpfs /dev/shm:size=64m' },
  { name: 'runtime', value: true, reason: 'the daemon chooses the runtime' },
];

/** @throws INVALID_ARGUMENT in words for the first of them that is given */
export function refuseUnsupported(flags: Flags): void {
  for (const { name, value, reason } of REFUSED)
    if (value ? flags.has(name) : flags.on(name))
      throw invalidArgument(`--${name} is not supported: ${reason}`, { value: name });
}
