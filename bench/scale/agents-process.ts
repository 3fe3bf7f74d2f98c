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

for (const [i, name] of job.names.entries()) {
  const address = job.addresses[i % job.addresses.length] ?? '';
  nodes.push(await SimulatedNode.join(address, job.token, name, seen));
}
