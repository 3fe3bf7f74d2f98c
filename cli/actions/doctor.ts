import type { DoctorResponse, NetworkRepair } from '../../proto/gen/node.js';
import type { KernelFeature } from '../../proto/gen/objects.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { humanDuration } from '../format/human.js';
import { renderInspectedOne } from '../format/list.js';
import { alignRows } from '../format/table.js';

/**
 * What the machine has and lacks. The exit code is 1 when tasks cannot run for lack of something, and when
 * a repair has left problems.
 */
export async function showDoctor(context: Context, flags: Flags): Promise<void> {
  const repair = flags.on('repair');
  const agent = await context.agent();
  const report = await agent.doctor({ repair });
  const format = flags.text('format');
  // The daemon looks every few seconds, so it may have been there just before.
  const earlier = repair && report.repairs.length === 0 ? (await agent.doctor({ repair: false })).repairs : [];
  const text = () => doctorText(report, { repair, earlier, now: context.io.clock.now() });
  context.io.out(format === undefined ? text() : renderInspectedOne(dockerLike(report), format));
  if (report.features.some((feature) => feature.required && !feature.available)) context.exitCode = 1;
  if (repair && report.problems.length > 0) context.exitCode = 1;
}

function dockerLike({ features, problems, repairs }: DoctorResponse) {
  return {
    Features: features.map((feature) => ({
      Name: feature.name,
      Available: feature.available,
      Required: feature.required,
      Detail: feature.detail,
      Meaning: feature.meaning,
      Remedy: feature.remedy,
    })),
    Problems: problems.map(({ subject, message }) => ({ Subject: subject, Message: message })),
    Repairs: repairs.map(({ subject, message, at }) => ({
      Subject: subject,
      Message: message,
      At: new Date(at).toISOString(),
    })),
  };
}

/** @param now milliseconds since the epoch; `earlier`: what was put back before a repair that found nothing */
export function doctorText(
  { features, problems, repairs }: DoctorResponse,
  {
    repair,
    earlier,
    now,
  }: { readonly repair: boolean; readonly earlier: readonly NetworkRepair[]; readonly now: number },
): string {
  const table = alignRows([
    ['FEATURE', 'STATUS', 'MEANING'],
    ...features.map((feature) => [feature.name, statusOf(feature), feature.meaning]),
  ]);
  const missing = features.filter((feature) => !feature.available);
  const troubles = problems.map(({ subject, message }) => `  ${subject}: ${message}\n`);
  const fatal = missing.filter((feature) => feature.required).map((feature) => feature.name);
  return [
    table,
    ...missing.map(({ name, detail, remedy }) => `\n${name}:\n${indented('found', detail)}${indented('do', remedy)}`),
    ...(troubles.length > 0 ? ['\nProblems now:\n', ...troubles] : []),
    ...(repair ? [...putBack(repairs, problems.length), ...putBackLately(earlier, now)] : putBackLately(repairs, now)),
    fatal.length > 0 ? `\nTasks cannot run here: ${fatal.join(', ')} missing.\n` : '\nAll that tasks need is there.\n',
  ].join('');
}

function putBack(repairs: readonly NetworkRepair[], problems: number): string[] {
  if (repairs.length === 0) {
    return problems > 0
      ? ['\nNothing was put back: the problems above are left.\n']
      : ['\nThe network is as it shall be: nothing had to be put back.\n'];
  }
  return ['\nPut back now:\n', ...repairs.map(({ subject, message }) => `  ${subject}: ${message}\n`)];
}

const LATELY = 10;

function putBackLately(repairs: readonly NetworkRepair[], now: number): string[] {
  if (repairs.length === 0) return [];
  const lines = repairs
    .slice(-LATELY)
    .map(({ subject, message, at }) => `  ${humanDuration(now - at)} ago, ${subject}: ${message}\n`);
  return [`\nChanged by others and put back (${Math.min(LATELY, repairs.length)} of ${repairs.length}):\n`, ...lines];
}

function statusOf({ available, required }: Pick<KernelFeature, 'available' | 'required'>): string {
  if (available) return 'ok';
  return required ? 'MISSING' : 'absent';
}

function indented(label: string, text: string): string {
  return text === '' ? '' : `  ${`${label}:`.padEnd(7)}${text}\n`;
}
