import type { AgentsJob, AgentsRequest, AgentsStatus } from './messages.js';
import { type Sightings, SimulatedNode } from './simulated-node.js';

const job = JSON.parse(process.argv[2] ?? '') as AgentsJob;
const seen: Sightings = { connected: 0, delays: [], errors: [] };
const nodes: SimulatedNode[] = [];

// Without the one that asks there is nothing to do.
process.on('disconnect', () => process.exit());
process.on('message', ({ lose }: AgentsRequest) => {
  for (const node of nodes.splice(0, lose)) node.lose();
  const { connected, delays, errors } = seen;
  const { user, system } = process.cpuUsage();
  process.send?.({ connected, delays, errors, cpu: user + system } satisfies AgentsStatus);
  [seen.delays, seen.errors] = [[], []];
});

/** So many join at a time. */
const TOGETHER = 10;
for (let first = 0; first < job.names.length; first += TOGETHER) {
  const joining = job.names.slice(first, first + TOGETHER).map((name, i) => {
    const address = job.addresses[(first + i) % job.addresses.length] ?? '';
    return SimulatedNode.join(address, job.token, name, seen);
  });
  nodes.push(...(await Promise.all(joining)));
}
