import { expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../../lib/clock.js';
import { type Node, NodeState } from '../../proto/gen/index.js';
import type { FakeAgent } from '../testing/fake-agent.js';
import { TestSwarm } from '../testing/swarm.js';
import { CHALLENGE_PATIENCE } from './dispatcher.js';

// Other tests share the machine.
vi.setConfig({ testTimeout: 60_000 });

const nodeOf = (swarm: TestSwarm, { nodeId }: FakeAgent) => swarm.store.view().get('node', nodeId) as Node;

/** Milliseconds of all timers that are set from now on to the end of the test. */
function timersSet(): () => readonly number[] {
  const after = vi.spyOn(systemClock, 'after');
  onTestFinished(() => after.mockRestore());
  return () => after.mock.calls.map(([ms]) => ms);
}

/** Opens its session again when it ends, as an agent does. */
async function lives(agent: FakeAgent): Promise<void> {
  await agent.sessionEnded();
  await agent.vanish();
  await agent.connect();
}

test('a copied data root - while the node lives the second machine is refused, and it is on record', async () => {
  const swarm = await TestSwarm.start(1);
  const [first] = swarm.agents as [FakeAgent];
  const copy = swarm.copyOf(first, 'of the copy');
  const [refused] = await Promise.all([copy.connect().catch((error: unknown) => error), lives(first)]);
  expect(refused).toMatchObject({ code: 'ALREADY_EXISTS', value: first.nodeId });
  expect(copy.messages).toEqual([]);
  await swarm.until(() => nodeOf(swarm, first).status.message.startsWith('a second machine ('));
  expect(nodeOf(swarm, first).status.state).toBe(NodeState.READY);
  const service = await swarm.create('web', 2);
  await swarm.until(() => swarm.running(service.id).length === 2);
  expect(first.tasks()).toHaveLength(2);
});

test('a machine that lost its power - it comes back although its old connection is open still', async () => {
  const swarm = await TestSwarm.start(1);
  const [first] = swarm.agents as [FakeAgent];
  const again = swarm.copyOf(first, 'after the restart');
  const timers = timersSet();
  await again.connect();
  expect(timers()).toContain(CHALLENGE_PATIENCE);
  const service = await swarm.create('web', 1);
  await swarm.until(() => swarm.running(service.id).length === 1);
  expect(again.tasks()).toHaveLength(1);
});

test('a restart - one whose old connection is closed does not wait', async () => {
  const swarm = await TestSwarm.start(1);
  const [first] = swarm.agents as [FakeAgent];
  await first.vanish();
  const again = swarm.copyOf(first, 'after the restart');
  const timers = timersSet();
  await again.connect();
  expect(timers()).not.toContain(CHALLENGE_PATIENCE);
});
