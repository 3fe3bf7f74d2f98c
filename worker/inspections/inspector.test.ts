import { expect, test } from 'vitest';
import { KernelReader } from '../../netlb/trace/reader.js';
import { Inspector } from './inspector.js';

test('facts - one after another, with turns for others between them', async () => {
  const inspector = new Inspector(async () => new KernelReader({ runRoot: '/nonexistent' }));
  let turns = 0;
  const turn = () => {
    turns++;
    running = setImmediate(turn);
  };
  let running = setImmediate(turn);
  try {
    const facts = await inspector.facts([{ kind: 'namespaces' }, { kind: 'namespaces' }, { kind: 'namespaces' }]);
    expect(facts).toEqual([{ answer: [] }, { answer: [] }, { answer: [] }]);
    expect(turns).toBeGreaterThanOrEqual(2);
  } finally {
    clearImmediate(running);
    await inspector.close();
  }
});

test('facts - a reader that could not be opened is opened again', async () => {
  let tries = 0;
  const inspector = new Inspector(async () => {
    if (++tries === 1) throw new Error('too many open files');
    return new KernelReader({ runRoot: '/nonexistent' });
  });
  await expect(inspector.facts([{ kind: 'namespaces' }])).rejects.toThrow('too many open files');
  expect(await inspector.facts([{ kind: 'namespaces' }])).toEqual([{ answer: [] }]);
  await inspector.close();
});
