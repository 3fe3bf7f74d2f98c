import { expect, test } from 'vitest';
import { parseDirective, parseTranscript } from './datadriven.js';

test('datadriven - reads directives, input and output', () => {
  const cases = parseTranscript(
    ['# comment', '', 'one 1 a=b c=(1, 2 3) d=()', 'v1 v2', '----', 'x', '  y', '', 'two', '----', ''].join('\n'),
  );
  expect(cases.map(({ line, directive, input, expected }) => [line, directive.command, input, expected])).toEqual([
    [3, 'one', 'v1 v2', 'x\n  y'],
    [9, 'two', '', ''],
  ]);
  expect(cases[0]?.directive.args).toEqual([
    { key: '1', values: [] },
    { key: 'a', values: ['b'] },
    { key: 'c', values: ['1', '2', '3'] },
    { key: 'd', values: [] },
  ]);
});

test('datadriven - output between two separators holds blank lines', () => {
  const cases = parseTranscript('one\n----\n----\na\n\nb\n----\n----\n\ntwo\n----\nc\n');
  expect(cases.map(({ expected }) => expected)).toEqual(['a\n\nb', 'c']);
});

test('datadriven - a backslash continues the directive', () => {
  expect(parseTranscript('one a=1 \\\n  b=2\n----\nx\n')[0]?.directive).toEqual(parseDirective('one a=1 b=2'));
});

test('datadriven - line ends may be those of Windows', () => {
  expect(parseTranscript('one\r\ninput\r\n----\r\nx\r\n\r\ntwo\r\n----\r\n')).toMatchObject([
    { input: 'input', expected: 'x' },
    { directive: { command: 'two' }, expected: '' },
  ]);
});

test('datadriven - refuses a directive without output', () => {
  expect(() => parseTranscript('one\ninput\n')).toThrow(/has no ----/);
});
