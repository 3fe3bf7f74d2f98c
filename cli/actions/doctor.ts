import type { DoctorResponse } from '../../proto/gen/node.js';
import type { KernelFeature } from '../../proto/gen/objects.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { renderInspectedOne } from '../format/list.js';
import { alignRows } from '../format/table.js';

/** What the machine has and lacks. The exit code is 1 when tasks cannot run for lack of something. */
export async function showDoctor(context: Context, flags: Flags): Promise<void> {
  const report = await (await context.agent()).doctor({});
  const format = flags.text('format');
  context.io.out(format === undefined ? doctorText(report) : renderInspectedOne(dockerLike(report), format));
  if (report.features.some((feature) => feature.required && !feature.available)) context.exitCode = 1;
}

function dockerLike({ features, problems }: DoctorResponse) {
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
  };
}

export function doctorText({ features, problems }: DoctorResponse): string {
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
    fatal.length > 0 ? `\nTasks cannot run here: ${fatal.join(', ')} missing.\n` : '\nAll that tasks need is there.\n',
  ].join('');
}

function statusOf({ available, required }: Pick<KernelFeature, 'available' | 'required'>): string {
  if (available) return 'ok';
  return required ? 'MISSING' : 'absent';
}

function indented(label: string, text: string): string {
  return text === '' ? '' : `  ${`${label}:`.padEnd(7)}${text}\n`;
}
