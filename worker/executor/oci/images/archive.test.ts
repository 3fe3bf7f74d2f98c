import { describe, expect, it } from 'vitest';
import { formatOf } from './archive.js';

describe('format of an archive', () => {
  it('is told by its top entries', () => {
    expect(formatOf(['./', './oci-layout', './index.json', './blobs/'])).toBe('oci-archive');
    expect(formatOf(['manifest.json', 'repositories', 'abc.json', 'abc.tar'])).toBe('docker-archive');
    expect(formatOf(['bin/', 'etc/', 'manifest.json'])).toBe('docker-archive');
    expect(formatOf(['./', './bin/', './etc/'])).toBe('rootfs');
  });
});
