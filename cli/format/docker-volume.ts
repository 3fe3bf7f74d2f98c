import type { LocalVolume } from '../../proto/gen/volumes.js';
import { NEVER } from './docker-common.js';
import { goMap } from './go-print.js';
import { rfc3339 } from './human.js';
import type { ListView } from './list.js';

/** `GET /volumes/{name}`. */
export function dockerVolume({ spec, createdAt, mountpoint, problem }: LocalVolume) {
  return {
    CreatedAt: createdAt === 0 ? NEVER : rfc3339(createdAt),
    Driver: spec.driver,
    Labels: mapOrNull(spec.labels),
    Mountpoint: mountpoint,
    Name: spec.name,
    Options: mapOrNull(spec.driverOptions),
    Scope: 'local',
    Problem: problem === '' ? undefined : problem,
  };
}

export type VolumeRow = ReturnType<typeof volumeRow>;

export function volumeRow({ spec, mountpoint, users }: LocalVolume) {
  return {
    Name: spec.name,
    Driver: spec.driver,
    Scope: 'local',
    Mountpoint: mountpoint,
    Links: String(users.length),
    Labels: Object.entries(spec.labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(','),
    Label: (key: unknown) => spec.labels[String(key)] ?? '',
  };
}

export const volumeView: ListView<VolumeRow> = {
  table: '{{.Driver}}\t{{.Name}}',
  headers: {
    Name: 'VOLUME NAME',
    Driver: 'DRIVER',
    Scope: 'SCOPE',
    Mountpoint: 'MOUNTPOINT',
    Links: 'LINKS',
    Labels: 'LABELS',
  },
  quiet: (row) => row.Name,
};

function mapOrNull(record: Readonly<Record<string, string>>) {
  return Object.keys(record).length > 0 ? goMap(record) : null;
}
