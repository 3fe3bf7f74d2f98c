import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, expect, test } from 'vitest';
import { runningTasks, spawnAt, type TaskRow, tsswarmInspect } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { GRACEFUL_COMMAND, GRACEFUL_FLAGS } from './graceful-server.js';
import { addressOf, IMAGE, useLab } from './lab.js';
import { useServices } from './services.js';

useLab(2);
const { create } = useServices();

/** One answer that the client got, or how a connection of it ended. */
interface Heard {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly connection: number;
  /** Of the task that answered. */
  readonly hostname?: string;
  readonly error?: string;
}

/** Answers with its host name to each datagram; run by the machine's own perl. */
const UDP_SERVER = `use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => 53, Proto => "udp") or die $!;
my $h = qx(hostname); while (defined $s->recv(my $m, 512)) { $s->send($h) }`;

/** `ADDRESS PORT`: sends a datagram each 20 ms, all from one socket, and prints the answers. */
const UDP_CLIENT = `const [address, port] = process.argv.slice(1);
const socket = require('node:dgram').createSocket('udp4').on('error', () => {});
socket.on('message', (data) => console.log(JSON.stringify({ at: Date.now(), connection: 0, hostname: String(data).trim() })));
setInterval(() => socket.send('?', Number(port), address), 20);`;

/** `ADDRESS PORT COUNT`: keeps connections, on each asks again 20 ms after each answer; one that has ended is not made again. */
const TCP_CLIENT = `const [address, port, count] = process.argv.slice(1);
for (let connection = 0; connection < Number(count); connection++) {
  const tell = (what) => console.log(JSON.stringify({ at: Date.now(), connection, ...what }));
  const socket = require('node:net').connect(Number(port), address);
  const ask = () => socket.write('GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n');
  socket.setNoDelay().setTimeout(5000, () => socket.destroy(new Error('no answer')));
  socket.on('connect', ask).on('error', (error) => tell({ error: error.message })).on('end', () => tell({ error: 'closed' }));
  socket.on('data', (data) => {
    tell({ hostname: /Hostname: (\\S+)/.exec(String(data))?.[1] });
    setTimeout(ask, 20);
  });
}`;

let stop = async (): Promise<void> => {};
afterEach(() => stop());

/** A program at the client, and what it has heard so far. */
function listen(program: string, ...args: readonly string[]): readonly Heard[] {
  const child = spawnAt('client', [process.execPath, '-e', program, '--', ...args]);
  const heard: Heard[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => heard.push(JSON.parse(line) as Heard));
  stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill();
      await once(child, 'close');
    }
    stop = async () => {};
  };
  return heard;
}

interface InspectedTask {
  readonly Status: {
    readonly State: string;
    readonly Timestamp: string;
    readonly ContainerStatus: { readonly PID: number };
  };
}
const inspected = (id: string) => tsswarmInspect<InspectedTask>('inspect', '--type', 'task', id);
const taskOf = (tasks: readonly TaskRow[], hostname: string) =>
  tasks.find(({ ID }) => ID.startsWith(hostname))?.ID ?? '';

/** Kills a task's container. @returns milliseconds since the epoch at which its node knew that it had ended */
async function crash(id: string): Promise<number> {
  process.kill((await inspected(id)).Status.ContainerStatus.PID, 'SIGKILL');
  const { Status } = await until('its end is known', 10, async () => {
    const task = await inspected(id);
    return task.Status.State === 'failed' ? task : undefined;
  });
  return Date.parse(Status.Timestamp);
}

const ONCE = ['--restart-condition', 'none', '--replicas', '4'];

test('UDP - a client whose task crashes is answered by another one within a second', async () => {
  const usr = ['--mount', 'type=bind,source=/usr,target=/usr,readonly'];
  await create('echo', ...ONCE, '--publish', '5353:53/udp', ...usr, IMAGE, '/usr/bin/perl', '-e', UDP_SERVER);
  const tasks = await runningTasks('echo');
  const heard = listen(UDP_CLIENT, addressOf(1), '5353');
  const by = await until('an answer', 10, async () => heard.at(-1)?.hostname);
  // All of one flow go to one task.
  await until('more answers', 10, async () => heard.length > 20 || undefined);
  expect(new Set(heard.map(({ hostname }) => hostname))).toEqual(new Set([by]));

  const known = await crash(taskOf(tasks, by));
  const other = await until('an answer of another task', 10, async () => heard.find(({ hostname }) => hostname !== by));
  console.log(`answered by another task ${other.at - known} ms after the end was known`);
  expect(other.at - known).toBeLessThan(1_000);
});

test('TCP - a crash ends the connections to the task alone, and new ones go to the others', async () => {
  await create('web', ...ONCE, '--publish', '8080:80', ...GRACEFUL_FLAGS, IMAGE, ...GRACEFUL_COMMAND);
  const tasks = await runningTasks('web');
  const heard = listen(TCP_CLIENT, addressOf(1), '8080', '12');
  const last = () => new Map(heard.map((one) => [one.connection, one] as const));
  await until('all connections answer', 10, async () => last().size === 12 || undefined);
  const before = last();
  const [first] = before.values();
  const victim = first?.hostname ?? '';
  const lost = [...before].filter(([, { hostname }]) => hostname === victim).map(([connection]) => connection);
  expect(lost.length).toBeLessThan(12);

  const known = await crash(taskOf(tasks, victim));
  const later = heard.length;
  await until('a second of answers', 10, async () => (heard.at(-1)?.at ?? 0) > known + 1_000 || undefined);
  const failed = heard.filter(({ error }) => error !== undefined).map(({ connection }) => connection);
  expect(failed.filter((connection) => !lost.includes(connection))).toEqual([]);
  const alive = new Set(heard.slice(later).map(({ connection }) => connection));
  expect([...alive].sort()).toEqual([...before.keys()].filter((connection) => !lost.includes(connection)).sort());
  await stop();

  const anew = listen(TCP_CLIENT, addressOf(1), '8080', '24');
  await until(
    'all new connections answer',
    10,
    async () => new Set(anew.map((one) => one.connection)).size === 24 || undefined,
  );
  expect(anew.filter(({ error, hostname }) => error !== undefined || hostname === victim)).toEqual([]);
});
