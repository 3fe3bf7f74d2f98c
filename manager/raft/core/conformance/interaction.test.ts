import { expect, test } from 'vitest';
import { parseTranscript } from './datadriven.js';
import { interactionReplay } from './interaction.js';

/** What each directive printed. */
function replayed(...lines: readonly string[]): readonly string[] {
  const replay = interactionReplay();
  return parseTranscript(lines.join('\n')).map(replay);
}

const quietLeader = [
  'log-level none',
  'add-nodes 1 voters=(1) index=5 election-tick=4 heartbeat-tick=2',
  'campaign 1',
  'stabilize',
  '----',
  '',
];

test('interaction - further directives may stand below the first', () => {
  expect(replayed(...quietLeader, 'log-level error', 'raft-state', 'propose 1 x', 'raft-log 1', '----', '')).toEqual([
    'ok',
    '1: StateLeader (Voter) Term:1 Lead:1\n1/6 EntryNormal ""\n',
  ]);
});

test('interaction - of further directives one may fail, but not the first', () => {
  const state = '1: StateLeader (Voter) Term:1 Lead:1\n';
  const [, goesOn, ends, quiet] = replayed(
    ...quietLeader,
    ...['log-level error', 'compact 1 2', 'raft-state', '----', ''],
    ...['compact 1 2', 'raft-state', '----', ''],
    ...['log-level none', 'raft-state', 'compact 1 2', '----', ''],
  );
  const compacted = 'requested index is unavailable due to compaction';
  expect([goesOn, ends, quiet]).toEqual([`${compacted}${state}`, compacted, compacted]);
});

test.each([
  { lines: ['no-such-command 1'], says: 'unknown command' },
  { lines: ['log-level loud'], says: 'log levels must be either of [DEBUG INFO WARN ERROR FATAL NONE]' },
  { lines: ['add-nodes 1 voters=(1) index=1'], says: 'index must be specified as > 1 due to bootstrap' },
  { lines: ['add-nodes 1 read-only=never'], says: 'invalid read-only option "never"' },
  { lines: ['propose-conf-change 1 transition=slow', 'v2'], says: 'unknown transition slow' },
  {
    lines: ['propose-conf-change 1 v1=true', 'v2 v3'],
    says: 'v1 conf change can only have one operation and no transition',
  },
])('interaction - $says', ({ lines, says }) => {
  expect(replayed(...quietLeader, ...lines, '----', '')[1]).toBe(says);
});

test('interaction - time passes at the rate that the nodes were made with', () => {
  const pair = ['log-level error', 'add-nodes 2 voters=(1 2) index=5 election-tick=10 heartbeat-tick=2', '----', ''];
  const leads = ['log-level none', 'campaign 1', 'stabilize', 'log-level error', '----', ''];
  const [, , early, due] = replayed(
    ...[...pair, ...leads],
    ...['tick 1 1', 'process-ready 1', '----', ''],
    ...['tick 1 1', 'process-ready 1', '----', ''],
  );
  expect(early).toBe('<empty Ready>');
  expect(due).toContain('1->2 MsgHeartbeat Term:1');
  // Half way between once and twice 10 ticks, as random numbers are here.
  const [, waits, campaigns] = replayed(
    ...pair,
    ...['tick 2 14', 'raft-state', '----', ''],
    ...['tick 2 1', 'raft-state', '----', ''],
  );
  expect(waits).toContain('2: StateFollower (Voter) Term:0');
  expect(campaigns).toContain('2: StateCandidate (Voter) Term:1');
});
