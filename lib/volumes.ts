import { invalidArgument } from './errors.js';

/** Marks a volume that was made for one container, without a name of its own. Docker's label. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

/** Of the `local` driver, as mount(8) takes them. */
const OPTIONS = ['type', 'o', 'device'];
const OPTIONS_HINT = 'Options are type, o and device, as of mount(8): type=nfs, o=addr=192.0.2.1,rw, device=:/path.';
/** Of a file name. */
const MAX_NAME = 255;

/** Templates in a name stand for what a name may have. */
const TEMPLATE = /\{\{.*?\}\}/g;

/**
 * @param templates whether placeholders may stand in it: `data-{{.Task.Slot}}`
 * @throws INVALID_ARGUMENT
 */
export function checkVolumeName(name: string, { templates = false }: { readonly templates?: boolean } = {}): void {
  const expanded = templates ? name.replace(TEMPLATE, '00') : name;
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(expanded) && expanded.length <= MAX_NAME) return;
  throw invalidArgument(`"${name}" is not a name for a volume`, {
    value: name,
    hint: 'A name has letters, digits, "_", "." and "-", two at least. For a path of the node, use type=bind.',
  });
}

/**
 * What the node's one driver can mount: folders of its own (no options), bind, tmpfs and nfs.
 * @throws INVALID_ARGUMENT that says what would be right
 */
export function checkVolumeDriver(driver: string, options: Readonly<Record<string, string>>): void {
  if (driver !== '' && driver !== 'local') {
    throw invalidArgument(`there is no volume driver "${driver}"`, { value: driver, hint: 'There is local.' });
  }
  const unknown = Object.keys(options).find((key) => !OPTIONS.includes(key));
  if (unknown !== undefined) {
    throw invalidArgument(`invalid option: "${unknown}"`, { value: unknown, hint: OPTIONS_HINT });
  }
  if (Object.keys(options).length === 0) return;
  const { type = '', device = '', o = '' } = options;
  for (const [key, value] of [
    ['type', type],
    ['device', device],
  ]) {
    if (value === '') throw invalidArgument(`missing required option: "${key}"`, { value: key, hint: OPTIONS_HINT });
  }
  checkType(type, device, o.split(','));
}

function checkType(type: string, device: string, o: readonly string[]): void {
  if (type === 'tmpfs') return;
  if (type === 'none' || type === 'bind') {
    if (!o.includes('bind') && !o.includes('rbind')) {
      throw invalidArgument(`type "${type}" needs o=bind`, { value: type, hint: 'Add the option o=bind.' });
    }
    if (device.startsWith('/')) return;
    throw invalidArgument(`"${device}" cannot be bound`, { value: device, hint: 'device is an absolute path.' });
  }
  if (type === 'nfs' || type === 'nfs4') {
    const hasAddress = o.some((option) => option.startsWith('addr='));
    if (/^[^:].*:\//.test(device) || (device.startsWith(':/') && hasAddress)) return;
    throw invalidArgument(`"${device}" is not a folder of an NFS server`, {
      value: device,
      hint: 'Give device=SERVER:/path, or device=:/path with o=addr=SERVER.',
    });
  }
  throw invalidArgument(`volumes of type "${type}" are not there`, {
    value: type,
    hint: 'Types are none (with o=bind), tmpfs, nfs and nfs4.',
  });
}
