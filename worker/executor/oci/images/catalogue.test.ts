import { describe, expect, it } from 'vitest';
import { imagesOf, match, withImage, withNameOfSource, withoutImage, withoutName, withoutNames } from './catalogue.js';

const digest = (c: string): string => `sha256:${c.repeat(64)}`;
const entry = (c: string, source = '') => ({
  manifest: { mediaType: 'm', digest: digest(c), size: 1 },
  id: digest(c),
  sizeBytes: 5,
  source,
});
const name = (short: string): string => `docker.io/library/${short}:latest`;
const facts = { createdAt: 7, platform: { architecture: 'amd64', os: 'linux' } };
const images = (manifests: ReturnType<typeof withImage>, ...ids: string[]) =>
  imagesOf(manifests, new Map(ids.map((id) => [digest(id), facts])));

describe('catalogue of images', () => {
  it('has an image under several names, once', () => {
    const manifests = withImage(withImage([], entry('a'), [name('x')]), entry('a'), [name('y')]);
    expect(manifests).toHaveLength(2);
    expect(images(manifests, 'a')).toEqual([
      { id: digest('a'), names: ['x:latest', 'y:latest'], digest: digest('a'), sizeBytes: 5, ...facts },
    ]);
  });

  it('gives a name to the newer image, and keeps the older without', () => {
    const manifests = withImage(withImage([], entry('a'), [name('x')]), entry('b'), [name('x')]);
    expect(images(manifests, 'a', 'b').map(({ names }) => names)).toEqual([[], ['x:latest']]);
    expect(images(withImage(manifests, entry('a'), [name('z')]), 'a')[0]?.names).toEqual(['z:latest']);
  });

  it('takes names away, then the image', () => {
    const manifests = withImage([], entry('a'), [name('x'), name('y')]);
    expect(images(withoutName(manifests, name('x')), 'a')[0]?.names).toEqual(['y:latest']);
    const nameless = withoutNames(manifests, digest('a'));
    expect(nameless).toHaveLength(1);
    expect(images(nameless, 'a')[0]?.names).toEqual([]);
    expect(withoutImage(manifests, digest('a'))).toEqual([]);
  });

  it('finds an image by the digest that its registry has it under', () => {
    const manifests = withImage([], entry('a', digest('9')), [name('x')]);
    const again = withNameOfSource(manifests, digest('9'), name('y'));
    expect(again?.id).toBe(digest('a'));
    expect(images(again?.manifests ?? [], 'a')[0]).toMatchObject({
      names: ['x:latest', 'y:latest'],
      digest: digest('9'),
    });
    expect(withNameOfSource(manifests, digest('8'), name('y'))).toBeUndefined();
  });

  it('is searched by name, digest and the start of an id', () => {
    const list = images(withImage(withImage([], entry('a'), [name('x')]), entry('b', digest('9')), []), 'a', 'b');
    expect(match(list, 'x')?.id).toBe(digest('a'));
    expect(match(list, `whatever@${digest('9')}`)?.id).toBe(digest('b'));
    expect(match(list, 'aaaa')?.id).toBe(digest('a'));
    expect(match(list, 'sha256:bb')?.id).toBe(digest('b'));
    expect(match(list, 'Nonsense!')).toBeUndefined();
  });

  it('says when the start of an id is not enough', () => {
    const one = { names: [], digest: digest('0'), sizeBytes: 0, ...facts };
    const list = ['ab1', 'ab2'].map((start) => ({ ...one, id: `sha256:${start}${'0'.repeat(61)}` }));
    expect(() => match(list, 'ab')).toThrow("start of several images' ids");
    expect(match(list, 'ab2')?.id).toBe(list[1]?.id);
  });
});
