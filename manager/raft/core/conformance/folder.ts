import { readdirSync, statSync } from 'node:fs';
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

/** From TSSWARM_CONFORMANCE, else beside the project. */
export function conformanceFolder(): string {
  const given = process.env.TSSWARM_CONFORMANCE;
  return given ? path.resolve(given) : path.resolve(projectRoot, '../shared/conformance');
}

/** All transcripts in folders named after a kind, in `folder` itself or in a folder in it. */
export function findTranscripts(folder: string): readonly Transcript[] {
  const groups = [folder, ...list(folder).filter(isFolder)];
  return groups.flatMap((group) =>
    transcriptKinds.flatMap((kind) =>
      textFiles(path.join(group, kind)).map((file) => ({ kind, file, name: path.relative(folder, file) })),
    ),
  );
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
