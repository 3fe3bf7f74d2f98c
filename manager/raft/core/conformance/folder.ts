import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const projectRoot = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../../..');

export const transcriptKinds = ['interaction', 'quorum', 'confchange'] as const;
export type TranscriptKind = (typeof transcriptKinds)[number];

export interface Transcript {
  readonly kind: TranscriptKind;
  readonly file: string;
  /** As tests are named: relative to the folder that was given. */
  readonly name: string;
}

/** From TSSWARM_CONFORMANCE, else beside the project, where it may be missing. */
export function conformanceFolder(): { readonly folder: string; readonly isGiven: boolean } {
  const given = process.env.TSSWARM_CONFORMANCE;
  const folder = given ? path.resolve(given) : path.resolve(projectRoot, '../shared/conformance');
  return { folder, isGiven: Boolean(given) };
}

/**
 * All `*.txt` in `folder`, however deep: the nearest folder around a file that is named after a kind tells its kind,
 * or else its first directive.
 */
export function findTranscripts(folder: string): readonly Transcript[] {
  return textFiles(folder).map((file) => {
    const name = path.relative(folder, file);
    const around = [path.basename(folder), ...path.dirname(name).split(path.sep)];
    const named = around.map((part) => transcriptKinds.find((k) => k === part)).findLast((k) => k !== undefined);
    return { kind: named ?? kindByDirective(readFileSync(file, 'utf8')), file, name };
  });
}

function kindByDirective(transcript: string): TranscriptKind {
  const [, command = ''] = /^\s*([^#\s]\S*)/m.exec(transcript) ?? [];
  if (['committed', 'vote'].includes(command)) return 'quorum';
  return ['simple', 'enter-joint', 'leave-joint'].includes(command) ? 'confchange' : 'interaction';
}

function textFiles(folder: string): readonly string[] {
  return list(folder).flatMap((file) => {
    if (isFolder(file)) return textFiles(file);
    return file.endsWith('.txt') ? [file] : [];
  });
}

function list(folder: string): readonly string[] {
  if (!isFolder(folder)) return [];
  return readdirSync(folder)
    .sort()
    .map((name) => path.join(folder, name));
}

function isFolder(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === true;
}
