import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { countPackets } from './plane-counter.js';
import { type Driver, eventually, Machines } from './plane-fixture.js';
import { CLIENT, desiredState, idOf, nodeAddress, type Swarm } from './plane-swarm.js';

const swarm: Swarm = {
  nodes: [1, 2],
  tasks: [{ name: 't1', node: 2, host: 11 }],
  services: [{ protocol: 'tcp', published: 8080, backends: ['t1'] }],
};
const machines = new Machines();
const drivers: Driver[] = [];
const ESTABLISHED = 'net.netfilter.nf_conntrack_tcp_timeout_established';
const sysctl = (where: string, ...args: string[]) => machines.inside(where, 'sysctl', '-n', ...args).trim();

beforeAll(async () => {
  machines.addHost('client', `${CLIENT}/24`);
  for (const n of swarm.nodes) machines.addHost(`node${n}`, `${nodeAddress(n)}/24`);
  // As guides to hardening have it; and a machine with more than is needed.
  sysctl('node1', '-w', `${ESTABLISHED}=600`);
  sysctl('node2', '-w', `${ESTABLISHED}=500000`);
  for (const n of swarm.nodes) drivers.push(await machines.driver(`node${n}`));
  const reports = await Promise.all(drivers.map((driver, i) => driver.apply(desiredState(swarm, i + 1))));
  for (const report of reports) expect(report.problems).toEqual([]);
  await machines.serve(machines.sandbox('node2', idOf('t1')), 't1');
});
afterAll(() => machines.close());

/** The namespaces on the way from the client by node1 to the task on node2. */
const way = () => [
  machines.path('node1'),
  machines.sandbox('node1', 'ingress_sbox'),
  machines.sandbox('node2', idOf('t1')),
];

/** Local port of the client's connection to a node. */
function clientPort(node: number): number {
  const line = machines.inside('client', 'ss', '-tnH', 'state', 'established', 'dst', nodeAddress(node));
  const port = Number(/\d+\.\d+\.\d+\.\d+:(\d+)/.exec(line)?.[1]);
  if (!port) throw new Error(`no connection to node${node}: ${line}`);
  return port;
}

test('time-outs - a machine’s own is raised where it is too short, and otherwise left', () => {
  expect(sysctl('node1', ESTABLISHED)).toBe('86400');
  expect(sysctl('node2', ESTABLISHED)).toBe('500000');
});

test('a connection that is idle for an hour is remembered by every namespace on its way', async () => {
  const { child, lines } = machines.hold('client', nodeAddress(1), 8080);
  onTestFinished(() => void child.kill());
  await eventually(() => lines.length > 2);
  const port = clientPort(1);
  for (const where of way()) {
    const flows = machines.inside(where, 'conntrack', '-L', '-p', 'tcp', '--orig-port-src', String(port)).trim();
    const left = flows.split('\n').map((line) => Number(/^tcp\s+6 (\d+) ESTABLISHED/.exec(line)?.[1]));
    expect([where, flows, left.every((seconds) => seconds > 7_200)]).toEqual([where, expect.anything(), true]);
  }
});

test('a connection from before the tables were made anew - is cut with its task', async () => {
  onTestFinished(async () => void (await drivers[0]?.apply(desiredState(swarm, 1))));
  const { child, lines } = machines.hold('client', nodeAddress(1), 8080);
  onTestFinished(() => void child.kill());
  await eventually(() => lines.length > 2);
  const sandbox = machines.sandbox('node1', 'ingress_sbox');
  const counts = () =>
    /set flows \{[^}]*counter/.test(machines.inside(sandbox, 'nft', 'list', 'table', 'ip', 'tsswarm'));
  expect(counts()).toBe(true);
  // The journal of ways does not count: the whole table is of another kind, and its counts are lost.
  const uncounted = "sed '/set flows/,/}/{s/counter packets [0-9]* bytes [0-9]*//;/^\\t\\tcounter$/d}'";
  machines.inside(sandbox, 'sh', '-ec', `{ echo flush ruleset; nft list ruleset | ${uncounted}; } | nft -f -`);
  expect(counts()).toBe(false);
  expect(await drivers[0]?.repair()).toMatchObject({ problems: [] });
  expect(counts()).toBe(true);
  const before = lines.length;
  await eventually(() => lines.length > before + 2);
  await drivers[0]?.apply(
    desiredState({ ...swarm, services: [{ protocol: 'tcp', published: 8080, backends: [] }] }, 1),
  );
  await eventually(() => lines.at(-1)?.startsWith('ended'));
  expect(lines.at(-1)).toBe('ended ECONNRESET');
});

/** Sends one TCP segment as if it were of a connection: `SOURCE PORT DESTINATION PORT SEQUENCE ACKNOWLEDGED`. */
const SEGMENT = `use Socket; my ($s, $sp, $d, $dp, $seq, $ack) = @ARGV;
sub sum { my $t = 0; $t += $_ for unpack "n*", $_[0]; $t = ($t >> 16) + ($t & 0xffff) while $t >> 16; ~$t & 0xffff }
my $tcp = pack "nnNNCCnnn", $sp, $dp, $seq, $ack, 0x50, 0x10, 500, 0, 0;
my $pseudo = inet_aton($s) . inet_aton($d) . pack "xCn", 6, length $tcp;
substr($tcp, 16, 2) = pack "n", sum($pseudo . $tcp);
my $ip = pack("CCnnnCCna4a4", 0x45, 0, 0, 7, 0, 64, 6, 0, inet_aton($s), inet_aton($d));
socket my $raw, AF_INET, SOCK_RAW, 255 or die $!; defined send $raw, $ip . $tcp, 0, pack_sockaddr_in(0, inet_aton($d)) or die $!;`;

test('a segment outside the window - does not make any namespace on the way reset the connection', async () => {
  const { child, lines } = machines.hold('client', nodeAddress(1), 8080);
  const filter = ['tcp', 'and', 'src', 'host', CLIENT];
  const tcpdump = machines.start('client', 'tcpdump', '-lnSi', 'eth0', '--immediate-mode', ...filter);
  onTestFinished(() => {
    for (const process of [tcpdump, child]) process.kill('SIGKILL');
  });
  let seen = '';
  tcpdump.stdout?.setEncoding('utf8').on('data', (text: string) => {
    seen += text;
  });
  await eventually(() => /ack \d+/.test(seen) && lines.length > 2);
  // Nothing more is sent, so what was acknowledged last is where the client is.
  child.kill('SIGSTOP');
  const port = clientPort(1);
  let before = -1;
  await eventually(() => {
    const isQuiet = seen.length === before;
    before = seen.length;
    return isQuiet;
  });
  const last = (what: RegExp) => Number([...seen.matchAll(what)].at(-1)?.[1]);
  // What lies behind the window is sent again, and no offence; what lies before it is invalid.
  const ahead = (last(/seq (\d+)/g) + 2 ** 30) % 2 ** 32;
  const invalid = countPackets(machines, 'node1', 'ct state invalid', 'tracked');
  const segment = [CLIENT, port, nodeAddress(1), 8080, ahead, last(/ack (\d+)/g)].map(String);
  machines.inside('client', 'perl', '-e', SEGMENT, ...segment);
  await eventually(() => invalid() > 0);
  const count = lines.length;
  child.kill('SIGCONT');
  await eventually(() => lines.length > count + 2);
  expect(lines.slice(count).filter((line) => !line.startsWith('t1 '))).toEqual([]);
});
