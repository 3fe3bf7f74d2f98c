import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { execAt, runningTasks, spawnAt, tasksOf, tsswarm, tsswarmInspect, tsswarmOutcome } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { requests } from '../../demo/traffic.js';
import { addressOf, CLIENT, IMAGE, onNode, useLab } from './lab.js';
import { useServices } from './services.js';

useLab(2);
const { create } = useServices();

const idsOf = async (service: string) => (await runningTasks(service)).map(({ ID }) => ID).sort();

/** Whether the node answers, asked by the client or by another machine of the lab. */
async function answers(address: string, port: number, from = 'client'): Promise<string | undefined> {
  const { code, stdout } = await execAt(from, ['curl', '--silent', '--max-time', '2', `http://${address}:${port}/`]);
  return code === 0 ? /^Hostname: (\S+)$/m.exec(stdout)?.[1] : undefined;
}

const opens = (address: string, port: number) =>
  until(`${address}:${port} answers`, 10, async () => (await answers(address, port)) ?? undefined);
const closes = (address: string, port: number) =>
  until(`${address}:${port} refuses`, 10, async () =>
    (await answers(address, port)) === undefined ? true : undefined,
  );

/** On ports 80 and 81 the usual page, and one that never ends. */
const TICKING = `cat > /www/cgi-bin/ticks <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
while :; do echo tick; sleep 0.1; done
END
chmod +x /www/cgi-bin/ticks
httpd -f -p 81 -h /www & httpd -f -p 80 -h /www & trap 'exit 0' TERM; wait`;

test('ports come and go on a running service, and connections by its other ports do not notice', async () => {
  await create('web', '--replicas', '2', '--publish', '8080:80', IMAGE, 'sh', '-c', TICKING);
  const before = await idsOf('web');
  const download = spawnAt('client', ['curl', '--silent', '--no-buffer', `http://${addressOf(2)}:8080/cgi-bin/ticks`]);
  onTestFinished(() => void download.kill());
  let ticks = 0;
  createInterface({ input: download.stdout }).on('line', () => ticks++);
  const goesOn = (when: string) => {
    const from = ticks;
    return until(`the download goes on ${when}`, 5, async () => ticks > from + 3 || undefined);
  };
  await goesOn('at first');

  await tsswarm('service', 'update', '--quiet', '--publish-add', 'published=8081-8082,target=81', 'web');
  for (const port of [8081, 8082]) await opens(addressOf(1), port);
  await goesOn('after two ports more');
  await tsswarm('service', 'update', '--quiet', '--publish-rm', '8081:81', '--publish-add', '8083:80', 'web');
  await opens(addressOf(2), 8083);
  await closes(addressOf(1), 8081);
  await goesOn('after one port less');
  expect(await answers(addressOf(1), 8082)).toBeDefined();
  expect(await idsOf('web')).toEqual(before);
  expect(await tasksOf('web')).toHaveLength(2);

  await tsswarm('service', 'update', '--quiet', '--publish-rm', '8080:80', 'web');
  await closes(addressOf(2), 8080);
  expect(await answers(addressOf(1), 8083)).toBeDefined();
  expect(await idsOf('web')).toEqual(before);
});

test('a port on one address is that node’s, and another service’s on another address', async () => {
  const at = (address: string) => ['--publish', `published=8084,target=80,ip=${address}`];
  await create('one', ...at(addressOf(1)), ...at('127.0.0.1'), '--hostname', 'one', IMAGE);
  await create('two', '--publish', `${addressOf(2)}:8084:80`, '--hostname', 'two', IMAGE);
  expect(await opens(addressOf(1), 8084)).toBe('one');
  expect(await opens(addressOf(2), 8084)).toBe('two');
  for (const node of ['node1', 'node2']) expect(await answers('127.0.0.1', 8084, node)).toBe('one');
  const [answer] = await requests(`http://${addressOf(2)}:8084/`, 1);
  expect(answer?.client).toBe(CLIENT);
  const everywhere = await tsswarmOutcome(['service', 'create', '--name', 'all', '--publish', '8084:80', IMAGE]);
  expect(everywhere.stderr).toMatch(
    /port '8084\/tcp' is already in use by service '(one|two)'.*\(203\.0\.113\.[12]:8084\/tcp\)/,
  );
  expect(await tsswarm('service', 'inspect', '--pretty', 'two')).toContain('203.0.113.2:8084 -> 80/tcp (ingress)');
});

test('host mode - each task has a port of the range, and says which; the rest wait and say why', async () => {
  const host = 'published=8085-8086,target=80,mode=host';
  await create('ranged', '--detach', '--replicas', '5', '--publish', host, IMAGE);
  const running = await until('four run', 30, async () => {
    const tasks = await runningTasks('ranged');
    return tasks.length === 4 ? tasks : undefined;
  });
  const places = running.map(({ Node, Ports }) => `${Node} ${Ports}`).sort();
  expect(places).toEqual(['node1', 'node2'].flatMap((node) => [8085, 8086].map((port) => `${node} *:${port}->80/tcp`)));
  for (const node of [1, 2]) for (const port of [8085, 8086]) await opens(addressOf(node), port);
  const waiting = (await tasksOf('ranged')).filter(({ CurrentState }) => CurrentState.startsWith('Pending'));
  expect(waiting.map((task) => task.Error)).toEqual([
    expect.stringContaining('host-mode port already in use on 2 nodes: 8085-8086/tcp'),
  ]);
  const [port] = (await tsswarmInspect<{ Endpoint: { Ports: object[] } }>('service', 'inspect', 'ranged')).Endpoint
    .Ports;
  expect(port).toMatchObject({ PublishedPort: 8085, PublishedPortLast: 8086, PublishMode: 'host' });
});

/** A process of a node that has a port to itself; resolves when it listens. */
async function listener(node: string, port: number) {
  const script = `use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => ${port}, Listen => 5, ReuseAddr => 1)
    or die $!; $| = 1; print "up\\n";
    while (my $c = $s->accept) {
      # What is closed with a request unread is reset, answer and all.
      while (my $line = <$c>) { last if $line =~ /^\\r?$/ }
      print $c "HTTP/1.0 200 OK\\r\\n\\r\\nHostname: perl\\n"; close $c
    }`;
  const child = spawnAt(node, ['perl', '-e', script]);
  onTestFinished(() => void child.kill());
  await once(child.stdout, 'data');
  return child;
}

const notes = async (service: string) => (await tsswarmOutcome(['service', 'ps', service])).stderr;
const hears = (what: string, words: string, of: () => Promise<string>) =>
  until(what, 15, async () => ((await of()).includes(words) ? true : undefined));

test('a port that a process of one node has is named there, and published when it is free', async () => {
  const foreign = await listener('node2', 8087);
  await create('web', '--publish', '8087:80', IMAGE);
  const words = `port 8087/tcp is in use by perl (pid ${foreign.pid}) of this node: it is not published here`;
  await hears('service ps names it', `web on node2: ${words}`, () => notes('web'));
  expect(await notes('web')).not.toContain('node1');
  expect(await tsswarm('service', 'inspect', '--pretty', 'web')).toContain(`web on node2: ${words}`);
  expect((await onNode(2, 'doctor')).stdout).toContain(words);
  expect(await opens(addressOf(1), 8087)).not.toBe('perl');
  expect(await answers(addressOf(2), 8087)).toBe('perl');
  foreign.kill();
  await until('node2 answers', 15, async () => ((await answers(addressOf(2), 8087)) === 'perl' ? undefined : true));
  await opens(addressOf(2), 8087);
  await until('nothing is to be said', 15, async () => ((await notes('web')) === '' ? true : undefined));

  const late = await listener('node1', 8087);
  const shadowed = `port 8087/tcp is in use by perl (pid ${late.pid}) of this node too: it was published first`;
  await hears('the shadowed process is named', `web on node1: ${shadowed}`, () => notes('web'));
  expect(await answers(addressOf(1), 8087)).not.toBe('perl');
});

test('host mode - a task waits for its port while a process has it, which is named', async () => {
  const foreign = await listener('node1', 8088);
  const here = ['--constraint', 'node.hostname==node1'];
  await create('direct', '--detach', ...here, '--publish', 'published=8088,target=80,mode=host', IMAGE);
  await hears('service ps names it', `8088/tcp is in use by perl (pid ${foreign.pid})`, () => notes('direct'));
  expect(await runningTasks('direct')).toEqual([]);
  foreign.kill();
  await until('it runs', 15, async () => ((await runningTasks('direct')).length === 1 ? true : undefined));
  expect(await answers(addressOf(1), 8088)).not.toBe('perl');
});
