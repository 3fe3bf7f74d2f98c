import { invalidArgument, notFound } from '../../lib/errors.js';
import type { ContainerInfo } from '../../proto/gen/containers.js';
import { targetText } from '../../proto/ports.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { containerRow, containerView, hostAddress } from '../format/container-rows.js';
import { renderList } from '../format/list.js';
import { alignColumns } from '../format/table.js';
import { filtersOf, listOptionsOf } from './refs.js';

export async function listContainers(context: Context, flags: Flags): Promise<void> {
  const last = flags.on('latest') ? 1 : flags.integer('last', -1);
  const filters = filtersOf(flags);
  const all = flags.on('all') || (last !== undefined && last > 0);
  const { containers } = await (await context.containers()).listContainers({ all, filters });
  const newest = newestFirst(containers).slice(0, last !== undefined && last > 0 ? last : undefined);
  const now = context.io.clock.now();
  const rows = newest.map((info) => containerRow(info, now, !flags.on('no-trunc')));
  context.io.out(renderList(containerView, rows, listOptionsOf(flags)));
}

function newestFirst(containers: readonly ContainerInfo[]): ContainerInfo[] {
  return [...containers].sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1));
}

/** `80/tcp -> 0.0.0.0:8080` of all ports, or the addresses of one. */
export async function showPorts(context: Context, ref: string, port: string | undefined): Promise<void> {
  const { container } = await (await context.containers()).inspectContainer({ ref });
  const published = [...container.ports]
    .filter(({ publishedPort }) => publishedPort !== 0)
    .sort((a, b) => a.targetPort - b.targetPort || a.protocol - b.protocol);
  if (port === undefined) {
    context.io.out(published.map((one) => `${targetText(one)} -> ${hostAddress(one)}\n`).join(''));
    return;
  }
  const wanted = port.includes('/') ? port.toLowerCase() : `${port}/tcp`;
  if (!/^\d+\/(?:tcp|udp|sctp)$/.test(wanted))
    throw invalidArgument(`"${port}" is not a port`, { value: port, hint: 'It looks like 80 or 53/udp.' });
  const found = published.filter((one) => targetText(one) === wanted);
  if (found.length === 0) throw notFound(`no public port '${wanted}' published for ${ref}`, { value: port });
  context.io.out(found.map((one) => `${hostAddress(one)}\n`).join(''));
}

/** Docker's columns of `top`: 20 wide at least. */
const TOP_WIDTH = 20;

export async function showProcesses(context: Context, ref: string, ps: readonly string[]): Promise<void> {
  const { titles, processes } = await (await context.containers()).top({ ref, arguments: ps });
  context.io.out(alignColumns([titles, ...processes.map(({ fields }) => fields)], TOP_WIDTH));
}
