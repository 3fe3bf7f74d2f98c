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
    inspector.close();
  }
});
