import { namespaceOf } from '../lab/layout.js';
import { endpointsOf, execInTask, LAB, runningTasks, tsswarm, tsswarmOutcome } from './cli.js';
import { IMAGE, IMAGE_CHANGES, IMAGE_PORT, makeRootfsArchive } from './image.js';
import { leftovers } from './leftovers.js';
import { Steps, say, sayCommand, table, until } from './steps.js';
import { Load, requests, tally } from './traffic.js';

const NODES = ['203.0.113.1', '203.0.113.2', '203.0.113.3'];
const PORT = 8080;
const REQUESTS = 100;

/** Shows a tsswarm command and what it prints. */
async function show(...args: readonly string[]): Promise<void> {
  sayCommand(`tsswarm ${args.map((arg) => (/^[\w./:=@,-]+$/.test(arg) ? arg : `'${arg}'`)).join(' ')}`);
  say((await tsswarm(...args)).trimEnd());
}

/** For output that has to hold: what is shown is also checked. */
function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`this is not as it should be: ${what}`);
}

async function makeImage(): Promise<void> {
  const { archive, remove } = await makeRootfsArchive();
  try {
    await show('image', 'import', ...IMAGE_CHANGES.flatMap((change) => ['--change', change]), archive, IMAGE);
  } finally {
    await remove();
  }
}

async function publish(): Promise<void> {
  await show('service', 'create', '--name', 'web', '--replicas', '5', '--publish', `${PORT}:${IMAGE_PORT}`, IMAGE);
  await show('service', 'ps', 'web');
}

async function spread(): Promise<void> {
  sayCommand(
    `ip netns exec ${namespaceOf(LAB, 'client')} curl http://203.0.113.{1,2,3}:${PORT}/    # ${REQUESTS} times each`,
  );
  const answers = await Promise.all(NODES.map((node) => requests(`http://${node}:${PORT}/`, REQUESTS)));
  const replicas = [...new Set(answers.flat().map(({ hostname }) => hostname))].sort();
  const rows = answers.map((ofNode, i) => {
    const counts = tally(ofNode.map(({ hostname }) => hostname));
    const numbers = replicas.map((replica) => counts.get(replica) ?? 0);
    expect(
      Math.max(...numbers) - Math.min(...numbers) <= 1,
      `requests to node${i + 1} are not spread evenly: ${numbers.join(', ')}`,
    );
    return [`node${i + 1}`, ...numbers.map(String), [...new Set(ofNode.map(({ client }) => client))].join(' ')];
  });
  expect(replicas.length === 5, `${replicas.length} replicas answered, not 5`);
  expect(
    rows.every((row) => row.at(-1) === '203.0.113.250'),
    "replicas do not see the client's address",
  );
  say(table(['asked', ...replicas.map((name) => `replica ${name}`), 'client seen'], rows));
}

async function overlays(): Promise<void> {
  await show('network', 'create', '--driver', 'overlay', '--subnet', '10.20.0.0/24', 'back');
  await show('network', 'create', '--driver', 'overlay', '--subnet', '10.30.0.0/24', 'other');
  for (const [name, network] of [
    ['peer', 'back'],
    ['stranger', 'other'],
  ] as const) {
    await show('service', 'create', '--quiet', '--name', name, '--replicas', '3', '--network', network, IMAGE);
  }
  const peers = await endpointsOf('back', 'peer');
  const strangers = await endpointsOf('other', 'stranger');
  expect(new Set(peers.map(({ node }) => node)).size === 3, 'the three tasks of "peer" are not on three nodes');
  const fetch = (from: (typeof peers)[number], address: string) =>
    execInTask(from, ['curl', '--silent', '--max-time', '1', `http://${address}/`]);
  const rows = await Promise.all(
    peers.map(async (from) => {
      const reached = await Promise.all(
        [...peers, ...strangers].map(async (to) => ((await fetch(from, to.address)).code === 0 ? 'yes' : '-')),
      );
      expect(reached.join() === 'yes,yes,yes,-,-,-', `${from.name} reaches ${reached.join()}`);
      return [`${from.name} on ${from.node}`, ...reached];
    }),
  );
  say(table(['reaches', ...[...peers, ...strangers].map(({ name, address }) => `${name} ${address}`)], rows));
}

async function failover(): Promise<void> {
  const load = new Load(NODES.slice(0, 2).map((node) => `http://${node}:${PORT}/`));
  try {
    await until('requests are answered', 5, async () => (load.samples.length > 20 ? true : undefined));
    const killed = Date.now();
    await show('lab', 'kill', '--containers', 'node3');
    await until('5 replicas run on the two nodes that are left', 20, async () => {
      const tasks = await runningTasks('web');
      return tasks.length === 5 && tasks.every(({ Node }) => Node !== 'node3') ? true : undefined;
    });
    const placed = Date.now();
    await until(
      'requests after that are answered',
      5,
      async () => (load.samples.at(-1)?.at ?? 0) > placed + 500 || undefined,
    );
    await load.stop();
    const lastFailure = load.failures.at(-1);
    const late = load.failures.filter(({ at }) => at > placed);
    expect(late.length === 0, `${late.length} requests failed after all replicas ran again: ${late[0]?.error}`);
    await show('node', 'ls');
    await show('service', 'ps', 'web');
    say(
      `5 replicas ran again ${((placed - killed) / 1000).toFixed(1)} s after the kill; ${load.samples.length} requests were sent meanwhile to node1 and node2,`,
    );
    say(
      lastFailure
        ? `${load.failures.length} failed (those to the tasks that died, until the swarm knew), the last ${((lastFailure.at - killed) / 1000).toFixed(1)} s after the kill.`
        : 'none failed.',
    );
  } finally {
    await load.stop();
  }
}

async function down(): Promise<void> {
  await show('lab', 'down');
  const left = await leftovers();
  expect(left.length === 0, `something is left:\n  ${left.join('\n  ')}`);
  say('No network namespace, link, nft table, mount, cgroup or process is left.');
}

function tryThese(): void {
  say(`
The swarm is still up. Try:
    ip netns exec ${namespaceOf(LAB, 'client')} curl http://203.0.113.1:${PORT}/
    ./bin/tsswarm node ls
    ./bin/tsswarm service ps web
    ./bin/tsswarm service scale web=8
    ./bin/tsswarm lab exec node2 -- ip address
    ./bin/tsswarm lab start node3
    ./bin/tsswarm lab down`);
}

async function main(keep: boolean): Promise<void> {
  const steps = new Steps();
  process.once('SIGINT', () => {
    say('\nInterrupted: the lab is taken down');
    void tsswarmOutcome(['lab', 'down']).finally(() => process.exit(130));
  });
  await steps.run('A lab: three machines, each a daemon in a network namespace of its own', async () => {
    await show('lab', 'up', '--nodes', '3');
    await show('lab', 'ls');
  });
  try {
    await steps.run('A small image, made of busybox', makeImage);
    await steps.run('A service with five replicas, published on every node', publish);
    await steps.run('Requests from outside: spread evenly, with the client’s own address', spread);
    await steps.run('Two overlay networks: tasks reach each other across nodes, but not across networks', overlays);
    await steps.run('One worker dies, with all its containers', failover);
    if (keep) tryThese();
    else await steps.run('Everything is taken down', down);
  } catch (error) {
    if (!keep) await tsswarmOutcome(['lab', 'down']);
    throw error;
  }
  say(`\n${steps.summary()}`);
}

const [flag, ...rest] = process.argv.slice(2);
if (rest.length > 0 || (flag !== undefined && flag !== '--keep')) {
  process.stderr.write('usage: npm run demo [-- --keep]\n');
  process.exit(2);
}
await main(flag === '--keep').catch((error: unknown) => {
  process.stderr.write(`\n${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
