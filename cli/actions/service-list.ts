import { notFound } from '../../lib/errors.js';
import type { Service } from '../../proto/gen/objects.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { dockerService } from '../format/docker-objects.js';
import { naturalOrder } from '../format/human.js';
import { renderInspected, renderList } from '../format/list.js';
import { serviceRow, serviceView } from '../format/rows.js';
import { prettyService } from '../format/service-pretty.js';
import { removal } from '../retry.js';
import { filtersOf, findEach, forEach, isPretty, listOptionsOf, warn } from './refs.js';

export async function listServices(context: Context, flags: Flags): Promise<void> {
  const control = await context.control();
  const { services, counts } = await control.listServices({ filters: filtersOf(flags) });
  const rows = services
    .map((service, i) => serviceRow(service, counts[i], context.io.clock.now()))
    .sort((a, b) => naturalOrder(a.Name, b.Name));
  context.io.out(renderList(serviceView, rows, listOptionsOf(flags)));
}

export async function inspectServices(context: Context, refs: readonly string[], flags: Flags): Promise<void> {
  const pretty = isPretty(flags);
  const control = await context.control();
  const found = await findEach(context, refs, async (ref) => (await control.getService({ ref })).service);
  if (pretty) {
    const [{ networks }, { nodes }] = await Promise.all([
      control.listNetworks({ filters: [] }),
      control.listNodes({ filters: [] }),
    ]);
    const nameOf = (id: string) => networks.find((network) => network.id === id)?.spec.name ?? id;
    context.io.out(found.map((service) => prettyService(service, nameOf, nodes)).join('\n'));
  } else {
    const objects = found.map((service) => dockerService(service, { defaults: true }));
    context.io.out(renderInspected(objects, flags.text('format')));
  }
}

export async function removeServices(context: Context, refs: readonly string[]): Promise<void> {
  const control = await context.control();
  await forEach(context, refs, async (ref) => {
    const { id } = await serviceOf(context, ref);
    let warnings: readonly string[] = [];
    await removal(context.io.clock, {
      what: `service ${ref} was removed`,
      look: 'tsswarm service ls',
      remove: async () => {
        ({ warnings } = await control.removeService({ ref: id }));
      },
    });
    warn(context, warnings);
    context.io.out(`${ref}\n`);
  });
}

/** The service of a name or id. @throws NOT_FOUND */
export async function serviceOf(context: Context, ref: string): Promise<Service> {
  if (ref === '') throw notFound('the service has no name', { value: ref });
  return (await (await context.control()).getService({ ref })).service;
}
