import { invalidArgument } from '../../lib/errors.js';
import type { Service } from '../../proto/gen/objects.js';
import type { ServiceSpec } from '../../proto/gen/specs.js';
import type { Context } from '../context.js';
import { Flags } from '../flags/flags.js';
import { applyServiceFlags, withTag } from '../flags/service.js';
import { waitForService } from '../progress/wait.js';
import { forEach } from './refs.js';
import { sourcesOf, warn, withAuth } from './service-create.js';
import { serviceOf } from './service-list.js';

export async function updateService(context: Context, ref: string, flags: Flags): Promise<void> {
  if (flags.on('rollback')) return rollbackService(context, ref, flags);
  const sources = await sourcesOf(context, flags);
  const service = await serviceOf(context, ref);
  const image = flags.text('image');
  const changed = applyServiceFlags(service.spec, flags, sources);
  const { container } = changed.task;
  const spec =
    image === undefined
      ? changed
      : { ...changed, task: { ...changed.task, container: { ...container, image: withTag(image) } } };
  const updated = await change(context, service, withAuth(context, spec, flags));
  context.io.out(`${ref}\n`);
  if (!flags.on('detach')) await follow(context, service, updated, flags);
}

async function change(context: Context, service: Service, spec: ServiceSpec): Promise<Service> {
  const request = { id: service.id, version: service.meta.version, spec, rollback: false };
  const updated = await (await context.control()).updateService(request);
  warn(context, updated.warnings);
  return updated.service;
}

function follow(context: Context, before: Service, updated: Service, flags: Flags): Promise<void> {
  return waitForService(context, updated, { quiet: flags.on('quiet'), before: before.updateStatus });
}

export async function rollbackService(context: Context, ref: string, flags: Flags): Promise<void> {
  const before = await serviceOf(context, ref);
  const { id, meta, spec, updateStatus } = before;
  const request = { id, version: meta.version, spec, rollback: true };
  const { service, warnings } = await (await context.control()).updateService(request);
  warn(context, warnings);
  context.io.out(`${ref}\n`);
  if (!flags.on('detach'))
    await waitForService(context, service, { quiet: flags.on('quiet'), before: updateStatus, wantsRollback: true });
}

/** `web=5`. @throws INVALID_ARGUMENT */
export function parseScale(text: string): { ref: string; replicas: number } {
  const match = /^([^=]+)=(\d+)$/.exec(text);
  const replicas = Number(match?.[2]);
  if (!match?.[1] || !Number.isSafeInteger(replicas))
    throw invalidArgument(`invalid scale specifier "${text}"`, {
      value: text,
      hint: 'It looks like SERVICE=REPLICAS, as in web=5.',
    });
  return { ref: match[1], replicas };
}

export async function scaleServices(context: Context, targets: readonly string[], flags: Flags): Promise<void> {
  const parsed = targets.map(parseScale);
  const scaled: { before: Service; updated: Service }[] = [];
  await forEach(
    context,
    parsed.map((target) => `${target.ref}=${target.replicas}`),
    async (target) => {
      const { ref, replicas } = parseScale(target);
      const before = await serviceOf(context, ref);
      const { spec } = before;
      const noSources = { env: {}, envFiles: [], networkIds: new Map<string, string>() };
      const flagsOfScale = new Flags({ replicas: String(replicas) });
      scaled.push({ before, updated: await change(context, before, applyServiceFlags(spec, flagsOfScale, noSources)) });
      context.io.out(`${ref} scaled to ${replicas}\n`);
    },
  );
  if (flags.on('detach')) return;
  for (const { before, updated } of scaled) await follow(context, before, updated, flags);
}
