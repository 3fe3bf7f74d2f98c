import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { NGINX, needPrograms } from '../nginx.js';
import { inNetns, keep, median, root, run, runAsync, table } from '../run.js';
import { residentBytes, until } from '../swarm.js';
import { Underlay } from '../underlay.js';
import { type WrkFigures, wrk } from '../wrk.js';
import { PORT, SERVERS, sandboxId, TASKS_PER_SERVICE } from './large-swarm.js';
import type { Answer, Request } from './messages.js';

const FEW = 10;
const MANY = 1000;
const CHANGES = 30;
const CONNECTIONS = 2000;
const PER_SECOND = 100;
/** Of each of wrk's two ways, quiet; twice as long while tasks are replaced: a minute in all. */
const SECONDS = 15;

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;

/**
 * One node of a swarm with a thousand published ports, ten tasks behind each: what it costs to make its kernel so, to
 * replace one task, and what clients notice of a hundred such changes a second. The plane of the node runs in a process
 * of its own, as in a daemon; of the tasks only those of one service are there, the others are addresses.
 */
export async function meshScale(): Promise<void> {
  needPrograms({ wrk: 'wrk', nginx: 'nginx-light', nft: 'nftables', strace: 'strace' });
  const node = new LargeNode();
  try {
    await node.start();
    const few = await sized(node, FEW);
    const many = await sized(node, MANY);
    const calls = await node.systemCalls(() => node.ask({ kind: 'change', times: 10 }));
    const changes = await node.ask({ kind: 'change', times: CHANGES });
    const look = await node.ask({ kind: 'look' });
    const quiet = await clients(node, SECONDS);
    const churning = node.ask({ kind: 'churn', perSecond: PER_SECOND, seconds: 4 * SECONDS });
    const busy = await clients(node, 2 * SECONDS);
    const churn = await churning;
    const figures = { few, many, callsPerChange: calls / 10, changes, look, quiet, busy, churn: summed(churn) };
    report(figures);
    keep('mesh-scale', figures);
  } finally {
    await node.stop();
  }
}

const summed = ({ costs, delays, passes }: Answer) => ({
  costs,
  passes,
  delay: { median: percentile(delays, 0.5), p99: percentile(delays, 0.99), longest: Math.max(...delays) },
});

/** A node made anew, and what a new connection takes then. */
async function sized(node: LargeNode, services: number) {
  const made = await node.ask({ kind: 'make', services });
  await node.serve();
  const connect = await node.connect();
  return { services, made, connect, memory: node.memory, rules: node.rules() };
}

async function clients(node: LargeNode, seconds: number): Promise<{ keepAlive: WrkFigures; fresh: WrkFigures }> {
  return {
    keepAlive: await wrk(node.client, node.url, { seconds, connections: 16 }),
    fresh: await wrk(node.client, node.url, { seconds, connections: 16, close: true }),
  };
}

/** The process with the plane, its network, and nginx in its sandboxes. */
class LargeNode {
  readonly #underlay = new Underlay('bench-ms', 1);
  readonly #folder = mkdtempSync('/var/tmp/bench-mesh-scale-');
  #plane: ChildProcess | undefined;
  #servers: ChildProcess[] = [];

  get client(): string {
    return this.#underlay.client;
  }

  get url(): string {
    return `http://${this.#underlay.address(1)}:${PORT}/`;
  }

  /** Bytes of the plane's process. */
  get memory(): number {
    return residentBytes(this.#plane?.pid ?? 0);
  }

  async start(): Promise<void> {
    await this.#underlay.up();
    const program = path.join(root, 'dist/bench/mesh-scale/plane-process.js');
    const [command, args] = inNetns(this.#underlay.netns(1), process.execPath, program);
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const;
    this.#plane = spawn(command, [...args, this.#folder, this.#underlay.address(1)], { stdio: [...stdio] });
    await once(this.#plane, 'message');
  }

  async ask(request: Request): Promise<Answer> {
    const plane = this.#plane;
    if (!plane) throw new Error('the plane was not started');
    plane.send(request);
    const ended = new AbortController();
    try {
      const [answer] = await Promise.race([
        once(plane, 'message', { signal: ended.signal }),
        once(plane, 'exit', { signal: ended.signal }).then(([code]) => {
          throw new Error(`the plane's process ended (${code}) when it was asked to ${request.kind}`);
        }),
      ]);
      return answer as Answer;
    } finally {
      ended.abort();
    }
  }

  /** Starts nginx in each sandbox: those that were made before are gone, and what ran there. */
  async serve(): Promise<void> {
    await this.#stopServers();
    const configuration = path.join(this.#folder, 'nginx.conf');
    writeFileSync(configuration, NGINX.files['nginx.conf'].replace('pid /nginx.pid;', ''));
    for (let i = 0; i < SERVERS; i++) {
      const prefix = path.join(this.#folder, `server${i}`);
      run('mkdir', ['-p', prefix]);
      const command = ['nginx', '-p', prefix, '-c', configuration, '-g', `pid ${prefix}/pid;`];
      this.#servers.push(
        spawn('nsenter', [`--net=${this.#namespace(sandboxId(i))}`, ...command], { stdio: 'inherit' }),
      );
    }
    const answers = () =>
      runAsync(...inNetns(this.client, 'curl', '-sf', '--max-time', '1', this.url)).then(
        () => true,
        () => false,
      );
    await until(answers, 30_000, `an answer from ${this.url}`);
  }

  /** Microseconds that connections take, one after another. */
  async connect(): Promise<{ median: number; p99: number }> {
    const program = path.join(root, 'dist/bench/mesh-scale/connect-process.js');
    const where = [this.#underlay.address(1), String(PORT), String(CONNECTIONS)];
    const times = JSON.parse(await runAsync(...inNetns(this.client, process.execPath, program, ...where))) as number[];
    return { median: percentile(times, 0.5), p99: percentile(times, 0.99) };
  }

  /** What `nft list ruleset` shows of both namespaces. */
  rules(): { bytes: number; rules: number; chains: number } {
    const texts = [
      run(...inNetns(this.#underlay.netns(1), 'nft', 'list', 'ruleset')),
      run('nsenter', [`--net=${this.#namespace('ingress_sbox')}`, 'nft', 'list', 'ruleset']),
    ];
    const text = texts.join('');
    const count = (pattern: RegExp) => text.match(pattern)?.length ?? 0;
    return { bytes: text.length, rules: count(/comment "#/g), chains: count(/^\tchain /gm) };
  }

  /** How many system calls of sockets the plane makes for this. */
  async systemCalls(work: () => Promise<unknown>): Promise<number> {
    const output = path.join(this.#folder, 'strace');
    const which = 'trace=sendmsg,sendto,recvmsg,recvfrom';
    const args = ['-f', '-e', which, '-e', 'signal=none', '-o', output, '-p', String(this.#plane?.pid)];
    const strace = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    if (strace.stderr) await once(strace.stderr, 'data');
    await work();
    strace.kill('SIGINT');
    await once(strace, 'exit');
    return run('grep', ['-c', '^[0-9]* *\\(send\\|recv\\)', output]).split('\n').map(Number)[0] ?? 0;
  }

  async stop(): Promise<void> {
    await this.#stopServers();
    const plane = this.#plane;
    if (plane && plane.exitCode === null && plane.connected) {
      await this.ask({ kind: 'end' });
      if (plane.exitCode === null) await once(plane, 'exit');
    }
    await this.#underlay.down();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #namespace(name: string): string {
    return path.join(this.#folder, 'netns', name);
  }

  async #stopServers(): Promise<void> {
    for (const server of this.#servers.splice(0)) {
      server.kill('SIGTERM');
      if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
    }
  }
}

type Sized = Awaited<ReturnType<typeof sized>>;
type Clients = Awaited<ReturnType<typeof clients>>;

function report(figures: {
  readonly few: Sized;
  readonly many: Sized;
  readonly callsPerChange: number;
  readonly changes: Answer;
  readonly look: Answer;
  readonly quiet: Clients;
  readonly busy: Clients;
  readonly churn: ReturnType<typeof summed>;
}): void {
  const { few, many, changes, quiet, busy, churn } = figures;
  const ms = (value: number) => `${value.toFixed(1)} ms`;
  const cost = ({ costs }: Pick<Answer, 'costs'>): string[] =>
    (['wall', 'user', 'system'] as const).map((kind) => ms(median(costs.map((one) => one[kind]))));
  console.log(
    table([
      ['', 'time', 'computing', 'in the kernel'],
      [`${FEW} ports × ${TASKS_PER_SERVICE} tasks made`, ...cost(few.made)],
      [`${MANY} ports × ${TASKS_PER_SERVICE} tasks made`, ...cost(many.made)],
      ['one task replaced (median)', ...cost(changes)],
      ['a look at everything', ...cost(figures.look)],
    ]),
  );
  const megabytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
  const size = ({ services, connect, memory, rules }: Sized) => [
    String(services),
    `${connect.median} µs`,
    `${connect.p99} µs`,
    megabytes(memory),
    `${rules.rules} in ${rules.chains} chains`,
    `${(rules.bytes / 1024).toFixed(0)} KiB`,
  ];
  console.log(
    `\n${table([
      ['published ports', 'new connection', '99 %', 'memory (PSS)', 'rules', 'as text'],
      size(few),
      size(many),
      ['ratio', (many.connect.median / few.connect.median).toFixed(2), (many.connect.p99 / few.connect.p99).toFixed(2)],
    ])}`,
  );
  console.log(`\nsystem calls of sockets for one task replaced: ${figures.callsPerChange.toFixed(0)}`);
  const ratio = (kind: keyof Clients) => (busy[kind].p99 / quiet[kind].p99).toFixed(2);
  const row = (what: string, of: Clients) => [
    what,
    ...(['keepAlive', 'fresh'] as const).flatMap((kind) => [
      `${(of[kind].requestsPerSecond / 1000).toFixed(1)} k/s`,
      ms(of[kind].p99),
    ]),
  ];
  console.log(
    `\n${table([
      ['', 'keep-alive', 'p99', 'new connections', 'p99'],
      row('quiet', quiet),
      row(`${PER_SECOND} tasks replaced a second`, busy),
      ['ratio', '', ratio('keepAlive'), '', ratio('fresh')],
    ])}`,
  );
  const [whole] = churn.costs;
  const share = (part: number) => `${((100 * part) / (whole?.wall ?? 1)).toFixed(0)} %`;
  console.log(
    `\n${churn.passes} passes for ${PER_SECOND * 4 * SECONDS} changes; asked → in the kernel: median ` +
      `${ms(churn.delay.median)}, p99 ${ms(churn.delay.p99)}; the process took ${share(whole?.user ?? 0)} of a core, ` +
      `and ${share(whole?.system ?? 0)} in the kernel`,
  );
}
