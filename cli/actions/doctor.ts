import type { DoctorResponse } from '../../proto/gen/node.js';
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
  const status = (feature: { available: boolean; required: boolean }) =>
    feature.available ? 'ok' : feature.required ? 'MISSING' : 'absent';
  const table = alignRows([
    ['FEATURE', 'STATUS', 'DETAIL', 'MEANING'],
    ...features.map((feature) => [feature.name, status(feature), feature.detail, feature.meaning]),
  ]);
  const remedies = features
    .filter((feature) => !feature.available && feature.remedy !== '')
    .map((feature) => `  ${feature.name}: ${feature.remedy}\n`);
  const troubles = problems.map(({ subject, message }) => `  ${subject}: ${message}\n`);
  const missing = features.filter((feature) => feature.required && !feature.available);
  const verdict =
    missing.length > 0
      ? `Tasks cannot run here: ${missing.map((feature) => feature.name).join(', ')} missing.\n`
      : 'All that tasks need is there.\n';
  return [
    table,
    ...(remedies.length > 0 ? ['\nWhat to do:\n', ...remedies] : []),
    ...(troubles.length > 0 ? ['\nProblems now:\n', ...troubles] : []),
    `\n${verdict}`,
  ].join('');
}
