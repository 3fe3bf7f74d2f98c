import { expect, test } from 'vitest';
import { Autoscale } from '../../proto/gen/index.js';
import { TestSwarm } from '../testing/swarm.js';

/** Milliseconds. */
const HEARTBEAT = 400;

test('agents - are told what to measure, and what they report scales the service', async () => {
  const swarm = await TestSwarm.start(2, HEARTBEAT);
  const autoscale = Autoscale.create({ min: 1, max: 6, cpuPercent: 50, upWindow: 0, downWindow: 500e6 });
  const web = await swarm.create('web', 2, { autoscale });
  const db = await swarm.create('db', 2);
  await swarm.until(() => swarm.running(web.id).length === 2 && swarm.running(db.id).length === 2);
  const measured = () => swarm.agents.map(({ measuredServices }) => measuredServices);
  await swarm.until(() => measured().every(([id, ...more]) => id === web.id && more.length === 0), 10_000, measured);
  const use = (nanoCpus: number) => {
    for (const agent of swarm.agents) {
      const mine = agent.tasks().filter(({ serviceId }) => serviceId === web.id);
      agent.usage = mine.map(({ id }) => ({ taskId: id, nanoCpus, connectionsPerSecond: 0 }));
    }
  };
  const running = () => swarm.running(web.id).length;
  const status = () => swarm.store.view().get('service', web.id)?.autoscaleStatus;
  await swarm.until(
    () => {
      use(1e9);
      return running() === 6;
    },
    15_000,
    status,
  );
  expect(status()?.last?.reason).toBe('cpu 100 % of 50 %');
  await swarm.until(
    () => {
      use(0);
      return running() === 1;
    },
    15_000,
    status,
  );
  expect(status()?.last?.reason).toBe('cpu 0 % of 50 %');
});
