import { codeOf } from '../../lib/errors.js';
import { checkVolumeDriver, checkVolumeName } from '../../lib/volumes.js';
import { VolumeSpec } from '../../proto/gen/specs.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { parsePair } from '../flags/values.js';
import { dockerVolume, volumeRow, volumeView } from '../format/docker-volume.js';
import { naturalOrder } from '../format/human.js';
import { renderInspected, renderList } from '../format/list.js';
import { confirm } from './confirm.js';
import { filtersOf, findEach, forEach, listOptionsOf } from './refs.js';

export async function createVolume(context: Context, name: string, flags: Flags): Promise<void> {
  const spec = VolumeSpec.create({
    name,
    driver: flags.text('driver') ?? '',
    driverOptions: Object.fromEntries(flags.each('opt', parsePair)),
    labels: Object.fromEntries(flags.each('label', parsePair)),
  });
  if (name !== '') checkVolumeName(name);
  checkVolumeDriver(spec.driver, spec.driverOptions);
  const { volume } = await (await context.volumes()).createVolume({ spec });
  context.io.out(`${volume.spec.name}\n`);
}

export async function listVolumes(context: Context, flags: Flags): Promise<void> {
  const { volumes } = await (await context.volumes()).listVolumes({ filters: filtersOf(flags) });
  const rows = volumes.map(volumeRow).sort((a, b) => naturalOrder(a.Name, b.Name));
  context.io.out(renderList(volumeView, rows, listOptionsOf(flags)));
}

export async function inspectVolumes(context: Context, names: readonly string[], flags: Flags): Promise<void> {
  const volumes = await context.volumes();
  const objects = await findEach(context, names, async (name) =>
    dockerVolume((await volumes.inspectVolume({ name })).volume),
  );
  context.io.out(renderInspected(objects, flags.text('format')));
}

export async function removeVolumes(context: Context, names: readonly string[], flags: Flags): Promise<void> {
  const volumes = await context.volumes();
  await forEach(context, names, async (name) => {
    try {
      await volumes.removeVolume({ name });
    } catch (error) {
      if (flags.on('force') && codeOf(error) === 'NOT_FOUND') return;
      throw error;
    }
    context.io.out(`${name}\n`);
  });
}

export async function pruneVolumes(context: Context, flags: Flags): Promise<void> {
  const all = flags.on('all');
  const which = all ? 'all' : 'anonymous';
  const warning = `This will remove ${which} local volumes not used by at least one container.`;
  if (!flags.on('force') && !(await confirm(context, warning))) return;
  const { names } = await (await context.volumes()).pruneVolumes({ all, filters: filtersOf(flags) });
  if (names.length > 0) context.io.out(`Deleted Volumes:\n${names.map((name) => `${name}\n`).join('')}\n`);
}
