import { expect, test } from 'vitest';
import { RadixTree } from './radix.js';
import { RadixBuilder } from './radix-builder.js';

/** xorshift32: a failing seed can be replayed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

test.each(Array.from({ length: 20 }, (_, i) => i + 1))(
  'radix - equals a sorted map, and old trees stay (seed %i)',
  (seed) => {
    const next = random(seed);
    const key = () => Array.from({ length: next(6) }, () => 'ab\u0000c'.charAt(next(4))).join('');
    let tree = RadixTree.empty<{ n: number }>();
    const map = new Map<string, { n: number }>();
    const kept: { tree: RadixTree<{ n: number }>; values: unknown[] }[] = [];
    const sorted = (prefix: string) =>
      [...map.entries()]
        .filter(([k]) => k.startsWith(prefix))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, v]) => v);
    for (let step = 0; step < 300; step++) {
      const k = key();
      if (next(3) === 0) {
        tree = tree.delete(k);
        map.delete(k);
      } else {
        tree = tree.set(k, { n: step });
        map.set(k, { n: step });
      }
      const prefix = key();
      expect(tree.size).toBe(map.size);
      expect(tree.get(prefix)).toEqual(map.get(prefix));
      expect([...tree.values(prefix)]).toEqual(sorted(prefix));
      if (step % 50 === 0) kept.push({ tree, values: sorted('') });
    }
    for (const old of kept) expect([...old.tree.values()]).toEqual(old.values);
  },
);

test('radix - deleting what is not there gives the same tree', () => {
  const tree = RadixTree.empty<object>().set('abc', {}).set('abd', {});
  for (const key of ['', 'a', 'ab', 'abcd', 'x']) expect(tree.delete(key)).toBe(tree);
});

test.each(Array.from({ length: 20 }, (_, i) => i + 1))(
  'radix builder - makes the tree that one entry after another makes (seed %i)',
  (seed) => {
    const next = random(seed);
    const builder = new RadixBuilder<{ n: number }>();
    let tree = RadixTree.empty<{ n: number }>();
    for (let n = next(200); n > 0; n--) {
      const key = Array.from({ length: next(6) }, () => 'ab\u0000c'.charAt(next(4))).join('');
      builder.set(key, { n });
      tree = tree.set(key, { n });
    }
    const built = builder.build();
    expect(built.size).toBe(tree.size);
    expect([...built.values()]).toEqual([...tree.values()]);
    // What is changed later leaves it alone.
    const values = [...built.values()];
    expect(built.set('abc', { n: 0 }).delete('a').get('abc')).toEqual({ n: 0 });
    expect([...built.values()]).toEqual(values);
    expect([...builder.build().values()]).toEqual([]);
  },
);
