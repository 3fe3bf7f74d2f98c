import { type ContainerInfo, ContainerStats } from '../../proto/gen/containers.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { naturalOrder } from '../format/human.js';
import { renderList } from '../format/list.js';
import { inPlace } from '../format/screen.js';
import { statsRow, statsView } from '../format/stats-rows.js';

/** Use of resources: a table each second until Ctrl-C, in place on a terminal; with `--no-stream` one. */
export async function showStats(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const { io } = context;
  const containers = await context.containers();
  const once = flags.on('no-stream');
  const stopped =
    flags.on('all') && refs.length === 0
      ? (await containers.listContainers({ all: true, filters: [] })).containers
      : [];
  const isInPlace = io.columns !== undefined && !once;
  let before = new Map<string, ContainerStats>();
  // CPU is told by two readings: the first one alone says nothing about it.
  let readings = 0;
  for await (const message of containers.stats({ refs, follow: true }, { signal: io.interrupted() })) {
    const current = [...message.containers, ...idle(stopped, message.containers)];
    readings++;
    if (!once || readings === 2 || current.length === 0) {
      const rows = [...current]
        .sort((a, b) => naturalOrder(a.name, b.name))
        .map((stats) => statsRow(stats, before.get(stats.id), !flags.on('no-trunc')));
      const text = renderList(statsView, rows, { format: flags.text('format'), quiet: false });
      io.out(isInPlace ? inPlace(text) : text);
      if (once) return;
    }
    before = new Map(current.map((stats) => [stats.id, stats]));
  }
}

/** Containers that do not run use nothing. */
function idle(all: readonly ContainerInfo[], running: readonly ContainerStats[]): ContainerStats[] {
  const known = new Set(running.map(({ id }) => id));
  return all
    .filter(({ id }) => !known.has(id))
    .map(({ id, config }) => ContainerStats.create({ id, name: config.name }));
}
