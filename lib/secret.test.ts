import { format, inspect } from 'node:util';
import { expect, test } from 'vitest';
import { Secret } from './secret.js';

test('a secret - is seen by who asks for it, and by nobody else', () => {
  const secret = new Secret(Buffer.from('hunter2'));
  expect(Buffer.from(secret.reveal()).toString()).toBe('hunter2');
  const shown = [
    JSON.stringify({ secret }),
    `${secret}`,
    inspect({ secret }, { depth: 9 }),
    format('%o %j', secret, secret),
  ];
  for (const text of shown) {
    expect(text).toContain('(secret)');
    expect(text).not.toMatch(/hunter2|104|68756e/);
  }
});
