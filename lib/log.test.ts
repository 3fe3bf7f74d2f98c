import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createLogger } from './log.js';

/** A logger to a disk that is full, and what its file holds once there is room. */
function onFullDisk() {
  const folder = mkdtempSync(path.join(tmpdir(), 'log-'));
  const file = path.join(folder, 'log');
  const fd = openSync('/dev/full', 'w');
  onTestFinished(() => {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });
  const makeRoom = () => {
    closeSync(fd);
    expect(openSync(file, 'w'), 'the lowest number that is free').toBe(fd);
  };
  const messages = () =>
    readFileSync(file, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).msg as string);
  return { log: createLogger('info', 'node1', fd), makeRoom, messages };
}

test('a full disk - ends nobody, and what could not be written comes when there is room', () => {
  const { log, makeRoom, messages } = onFullDisk();
  log.info({}, 'one');
  log.child({ part: 'worker' }).error({}, 'two');
  makeRoom();
  log.info({}, 'three');
  expect(messages()).toEqual(['one', 'two', 'three']);
});

test('a full disk - what is too much to keep is counted', () => {
  const { log, makeRoom, messages } = onFullDisk();
  for (let line = 0; line < 30; line++) log.info({ text: 'x'.repeat(100_000) }, `line ${line}`);
  makeRoom();
  log.info({}, 'again');
  log.info({}, 'and again');
  const kept = Array.from({ length: 10 }, (_, line) => `line ${line}`);
  expect(messages()).toEqual([
    ...kept,
    'again',
    '20 lines of this log could not be written, and are lost',
    'and again',
  ]);
});
