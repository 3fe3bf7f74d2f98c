import { expect, test } from 'vitest';
import { diskError, isDiskFull } from './disk-errors.js';
import { notFound } from './errors.js';

const errno = (code: string, fields: object = {}) =>
  Object.assign(new Error(`${code}: it failed, write`), { code, ...fields });

test('diskError - says what is wrong, where, and what to do', () => {
  expect(diskError(errno('ENOSPC'))?.text).toBe(
    'no space is left on the disk\n"df -h" and "df -i" show which file system is full: free some of it.',
  );
  expect(diskError(errno('ENOSPC'), '/var/lib/tsswarm')?.message).toBe(
    'no space is left on the disk: /var/lib/tsswarm',
  );
  const inFile = errno('EROFS', { path: '/data/x' });
  expect(diskError(inFile, '/var/lib/tsswarm')).toMatchObject({
    code: 'RESOURCE_EXHAUSTED',
    message: 'the disk can only be read: /data/x',
    cause: inFile,
  });
});

test('diskError - other errors are not its business', () => {
  for (const error of [errno('ENOENT'), new Error('ENOSPC'), notFound('ENOSPC'), undefined])
    expect(diskError(error)).toBeUndefined();
});

test('isDiskFull - of errors that come of a lack of room', () => {
  expect([errno('ENOSPC'), errno('EDQUOT'), errno('EROFS'), new Error('x')].map(isDiskFull)).toEqual([
    true,
    true,
    false,
    false,
  ]);
});
