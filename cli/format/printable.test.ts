import { expect, test } from 'vitest';
import { oneLine, printable } from './printable.js';

test('printable - what would steer a terminal is a blank, and lines stay', () => {
  expect(printable('a\u001b[2Jb\u009bc\r\n\td\u0007')).toBe('a [2Jb c \n\td ');
  expect(printable('ünïcodé 😀')).toBe('ünïcodé 😀');
});

test('one line - also what ends lines is a blank', () => {
  expect(oneLine('first\r\nsecond\u2028third\tfourth')).toBe('first second third fourth');
});
