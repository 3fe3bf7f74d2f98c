import path from 'node:path';
import { invalidArgument } from '../../lib/errors.js';
import { parseBytes } from '../../lib/units.js';
import { Device, Mount, MountType, TmpfsOptions, VolumeOptions } from '../../proto/gen/specs.js';

/** The older syntaxes of `run`: `-v`, `--tmpfs`, `--device`. All throw INVALID_ARGUMENT with the value. */

const PROPAGATIONS = ['rprivate', 'private', 'rshared', 'shared', 'rslave', 'slave'];
const CONSISTENCIES = ['consistent', 'cached', 'delegated'];
/** Labels of SELinux: they say nothing where there is none. */
const SELINUX = ['z', 'Z'];
const VOLUME_HINT = 'A volume looks like /source:/target, /source:/target:ro or name:/target.';

/**
 * `[SOURCE:]TARGET[:OPTIONS]`. A source with a slash or a leading dot is a path of this machine, made when it is not
 * there; another is a volume's name.
 * @param folder what a relative source is relative to
 */
export function parseVolume(text: string, folder: string): Mount {
  const parts = text.split(':');
  if (parts.some((part) => part === ''))
    throw invalidArgument(`invalid spec: ${text}: empty section between colons`, { value: text, hint: VOLUME_HINT });
  if (parts.length > 3)
    throw invalidArgument(`invalid spec: ${text}: too many colons`, { value: text, hint: VOLUME_HINT });
  const [source, target, options] = parts.length === 1 ? ['', text] : parts;
  if (!target?.startsWith('/'))
    throw invalidArgument(`invalid mount path: '${target}' mount path must be absolute`, {
      value: text,
      hint: VOLUME_HINT,
    });
  const isPath = source?.startsWith('.') || source?.includes('/');
  const mount = Mount.create({
    type: isPath ? MountType.BIND : MountType.VOLUME,
    source: isPath ? path.resolve(folder, source ?? '') : (source ?? ''),
    target,
    createMountpoint: isPath ?? false,
  });
  return (options ?? '').split(',').reduce((before, option) => withOption(before, option, text), mount);
}

function withOption(mount: Mount, option: string, text: string): Mount {
  if (option === '' || option === 'rw' || SELINUX.includes(option)) return mount;
  if (option === 'ro') return { ...mount, readOnly: true };
  if (CONSISTENCIES.includes(option)) return { ...mount, consistency: option };
  if (PROPAGATIONS.includes(option) && mount.type === MountType.BIND) return { ...mount, propagation: option };
  if (option === 'nocopy' && mount.type === MountType.VOLUME)
    return { ...mount, volume: VolumeOptions.create({ noCopy: true }) };
  throw invalidArgument(`invalid mode: ${option}`, {
    value: text,
    hint: `Modes: rw, ro, ${[...PROPAGATIONS, ...CONSISTENCIES].join(', ')}, nocopy.`,
  });
}

const TMPFS_WORDS = ['exec', 'noexec', 'suid', 'nosuid', 'dev', 'nodev'];
const TMPFS_NUMBERS = ['uid', 'gid', 'nr_inodes'];

/** `/run` or `/run:size=64m,mode=1777,exec`. */
export function parseTmpfs(text: string): Mount {
  const [target = '', options = ''] = text.split(/:(.*)/s);
  if (!target.startsWith('/'))
    throw invalidArgument(`invalid mount path: '${target}' mount path must be absolute`, {
      value: text,
      hint: 'A tmpfs looks like /run or /run:size=64m,mode=1777.',
    });
  let mount = Mount.create({ type: MountType.TMPFS, target });
  let tmpfs = TmpfsOptions.create();
  for (const option of options.split(',').filter((o) => o !== '')) {
    const [key, value = ''] = option.split('=', 2);
    if (TMPFS_WORDS.includes(option) || (TMPFS_NUMBERS.includes(key ?? '') && /^\d+$/.test(value)))
      tmpfs = { ...tmpfs, options: [...tmpfs.options, option] };
    else if (key === 'size') tmpfs = { ...tmpfs, sizeBytes: parseBytes(value) };
    else if (key === 'mode' && /^[0-7]{1,4}$/.test(value)) tmpfs = { ...tmpfs, mode: Number.parseInt(value, 8) };
    else if (key === 'ro') mount = { ...mount, readOnly: true };
    else if (option !== 'rw')
      throw invalidArgument(`invalid tmpfs option "${option}"`, {
        value: text,
        hint: `Options: size=64m, mode=1777, ro, rw, ${TMPFS_WORDS.join(', ')}, ${TMPFS_NUMBERS.join('=N, ')}=N.`,
      });
  }
  return { ...mount, tmpfs };
}

/** `/dev/fuse`, `/dev/sda:/dev/xvda`, `/dev/fuse:rw`, `/dev/sda:/dev/xvda:r`. */
export function parseDevice(text: string): Device {
  const [hostPath = '', second, third, ...more] = text.split(':');
  const isMode = (part: string | undefined) => part !== undefined && /^[rwm]{1,3}$/.test(part);
  const containerPath = second === undefined || (third === undefined && isMode(second)) ? hostPath : second;
  const permissions = third ?? (isMode(second) ? (second ?? '') : 'rwm');
  if (!hostPath.startsWith('/') || !containerPath.startsWith('/') || !isMode(permissions) || more.length > 0)
    throw invalidArgument(`invalid device "${text}"`, {
      value: text,
      hint: 'A device looks like /dev/fuse, /dev/sda:/dev/xvda or /dev/sda:/dev/xvda:rwm.',
    });
  return Device.create({ hostPath, containerPath, permissions });
}
