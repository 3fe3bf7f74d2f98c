import { describe, expect, it } from 'vitest';
import { isImageId, isLocalOnly, isLoopbackRegistry, parseImageName } from './name.js';

const HEX = 'a'.repeat(64);

describe('image name', () => {
  it.each([
    ['busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['docker.io/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['index.docker.io/library/busybox', 'docker.io/library/busybox:latest', 'busybox:latest'],
    ['team/app', 'docker.io/team/app:latest', 'team/app:latest'],
    ['localhost/app:v1', 'localhost/app:v1', 'localhost/app:v1'],
    ['registry.example.com:5000/a/b/c:x', 'registry.example.com:5000/a/b/c:x', 'registry.example.com:5000/a/b/c:x'],
    ['[::1]:5000/app', '[::1]:5000/app:latest', '[::1]:5000/app:latest'],
    [`busybox:1@sha256:${HEX}`, `docker.io/library/busybox@sha256:${HEX}`, `busybox@sha256:${HEX}`],
  ])('%s', (text, canonical, familiar) => {
    expect(parseImageName(text)).toMatchObject({ canonical, familiar });
  });

  it.each([
    '',
    ' ',
    'a b',
    ':tag',
    'app:',
    'app:bad tag',
    '/app',
    'app/',
    'a//b',
    '-x',
    'app@sha256:12',
    'ex.com:x/app',
    '../x',
  ])('refuses "%s"', (text) => {
    expect(() => parseImageName(text)).toThrow('invalid reference format');
  });

  it('says that repositories are lowercase', () => {
    expect(() => parseImageName('team/App')).toThrow('the repository name must be lowercase');
  });
});

describe('what a name means', () => {
  it('tells ids from names', () => {
    expect([HEX, 'abcdef012345', `sha256:${HEX}`].every(isImageId)).toBe(true);
    expect(['busybox', 'abc', `x@sha256:${HEX}`].some(isImageId)).toBe(false);
    expect(isLocalOnly('localhost/x')).toBe(true);
    expect(isLocalOnly('localhost:5000/x')).toBe(false);
  });

  it('knows registries on this machine', () => {
    expect(['localhost', 'localhost:5000', '127.0.0.1:5000', '127.1.2.3', '[::1]:5000'].every(isLoopbackRegistry)).toBe(
      true,
    );
    expect(['docker.io', '128.0.0.1', 'localhost.example.com'].some(isLoopbackRegistry)).toBe(false);
  });
});
