import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { confChangeReplay } from './confchange.js';
import { parseTranscript, type TestCase } from './datadriven.js';
import { conformanceFolder, findTranscripts, type TranscriptKind } from './folder.js';
import { interactionReplay } from './interaction.js';
import { quorumReplay } from './quorum.js';

const replays: Readonly<Record<TranscriptKind, () => (test: TestCase) => string>> = {
  interaction: interactionReplay,
  quorum: quorumReplay,
  confchange: confChangeReplay,
};

/** Log lines tell how, not what, and differ between versions; TSSWARM_CONFORMANCE_LOGS=1 compares them too. */
const withLogs = process.env.TSSWARM_CONFORMANCE_LOGS === '1';

function comparable(output: string): string {
  const lines = output.replace(/\n+$/, '').split('\n');
  return lines.filter((line) => withLogs || !/^\s*(DEBUG|INFO|WARN|ERROR) /.test(line)).join('\n');
}

const { folder, isGiven } = conformanceFolder();
const transcripts = findTranscripts(folder);
if (transcripts.length === 0 && !isGiven)
  console.warn(
    `\nRAFT TRANSCRIPTS SKIPPED: no *.txt in ${folder}.\nSet TSSWARM_CONFORMANCE to the folder that holds them.\n`,
  );

describe.skipIf(transcripts.length === 0 && !isGiven)('raft transcripts', () => {
  test('there are some', () => expect(transcripts, `*.txt in ${folder}`).not.toEqual([]));

  test.each(transcripts)('$name', ({ kind, file, name }) => {
    const replay = replays[kind]();
    const cases = parseTranscript(readFileSync(file, 'utf8'));
    expect(cases.length).toBeGreaterThan(0);
    for (const testCase of cases) {
      const at = `${name}:${testCase.line} ${testCase.directive.text}`;
      expect(comparable(replay(testCase)), at).toBe(comparable(testCase.expected));
    }
  });
});
