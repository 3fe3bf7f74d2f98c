import { expect, test } from 'vitest';
import { isKernelError, KernelError, NftablesError } from './errors.js';

test('KernelError - operation, words, code, and what the kernel adds', () => {
  const details = { errno: 17, words: 'File exists', detail: 'A VXLAN device with the specified VNI already exists' };
  const error = new KernelError('create vxlan vxlan0 (VNI 4096, port 4789)', details);
  expect(error.message).toBe(
    'create vxlan vxlan0 (VNI 4096, port 4789): File exists (EEXIST): ' +
      'A VXLAN device with the specified VNI already exists',
  );
  expect(error.code).toBe('EEXIST');
  expect(isKernelError(error)).toBe(true);
  expect(isKernelError(error, 'ENOENT', 'EEXIST')).toBe(true);
  expect(isKernelError(error, 'ENOENT')).toBe(false);
  expect(isKernelError(new Error('EEXIST'), 'EEXIST')).toBe(false);
  expect(new KernelError('x', { errno: 95, words: 'w' }).code).toBe('EOPNOTSUPP');
  expect(new KernelError('x', { errno: 11, words: 'w' }).message).toBe('x: w (EAGAIN)');
  expect(new KernelError('x', { errno: 524, words: 'w' }).code).toBe('E524');
});

test('NftablesError - words, code, and the command it is about', () => {
  const details = { errno: 2, words: 'No such file or directory', lineNumber: 2 };
  const error = new NftablesError({ ...details, line: 'add rule ip t nope accept' });
  expect(error).toMatchObject({ code: 'ENOENT', lineNumber: 2, line: 'add rule ip t nope accept' });
  expect(error.message).toBe('nftables: No such file or directory (ENOENT) in line 2: add rule ip t nope accept');
  expect(new NftablesError({ errno: 12, words: 'Cannot allocate memory', detail: 'so', lineNumber: 0 }).message).toBe(
    'nftables: Cannot allocate memory (ENOMEM): so',
  );
});
