import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { have, keep, median, root, run, runAsync, table } from '../run.js';
import { benchNames, SANDBOX } from './dns-names.js';

const ROUNDS = 5;
const SECONDS = 3;
/** Queries a second at which it is asked how long one takes. */
const CALM = 5000;

interface Figures {
  readonly perSecond: number[];
  readonly p99: number[];
}

/**
 * Names of a swarm asked of a sandbox's resolver and of dnsmasq, which runs in the same sandbox: queries a second that
 * one client gets answered, and how long the slowest hundredth takes when there are 5,000 a second.
 */
export async function dns(): Promise<void> {
  for (const tool of ['dnsperf', 'dnsmasq']) if (!have(tool)) throw new Error(`the comparison needs ${tool}`);
  const folder = mkdtempSync(path.join(tmpdir(), 'tsswarm-bench-dns-'));
  const children: ChildProcess[] = [];
  try {
    const program = path.join(root, 'dist/bench/network/dns-process.js');
    const node = spawn('unshare', ['--net', process.execPath, program, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(node);
    await once(node.stdout, 'data');
    const inside = `--net=${path.join(folder, 'netns', SANDBOX)}`;
    children.push(startDnsmasq(inside));
    const questions = path.join(folder, 'questions');
    writeFileSync(
      questions,
      benchNames()
        .map(({ name }) => `${name} A\n`)
        .join(''),
    );
    const ask = (server: string, ...options: string[]) =>
      runAsync('nsenter', [inside, 'dnsperf', '-s', server, '-d', questions, '-l', String(SECONDS), ...options]);
    const figures = { resolver: newFigures(), dnsmasq: newFigures() };
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, server] of Object.entries({ resolver: '127.0.0.11', dnsmasq: '127.0.0.1' })) {
        const row = figures[name as keyof typeof figures];
        row.perSecond.push(perSecond(await ask(server)));
        row.p99.push(p99(await ask(server, '-Q', String(CALM), '-v')));
      }
    }
    report(figures);
    node.stdin.end();
    await once(node, 'exit');
  } finally {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

const newFigures = (): Figures => ({ perSecond: [], p99: [] });

function startDnsmasq(inside: string): ChildProcess {
  const records = benchNames().map(({ name, address }) => `--host-record=${name},${address}`);
  const alone = ['--no-resolv', '--no-hosts', '--conf-file=/dev/null', '--pid-file=', '--user=root'];
  const listen = ['--listen-address=127.0.0.1', '--bind-interfaces'];
  const options = ['--keep-in-foreground', ...alone, ...listen, ...records];
  const child = spawn('nsenter', [inside, 'dnsmasq', ...options], { stdio: ['ignore', 'inherit', 'inherit'] });
  run('nsenter', [
    inside,
    'sh',
    '-c',
    'until dig @127.0.0.1 +short +tries=1 +timeout=1 service0 | grep -q 10; do :; done',
  ]);
  return child;
}

function perSecond(output: string): number {
  const lost = Number(/Queries lost:\s+(\d+)/.exec(output)?.[1]);
  const rate = Number(/Queries per second:\s+([\d.]+)/.exec(output)?.[1]);
  if (lost > 0 || !(rate > 0) || !/NOERROR \d+ \(100.00%\)/.test(output)) throw new Error(`dnsperf: ${output}`);
  return rate;
}

/** Milliseconds; dnsperf prints a line for each answer, whose last column are seconds. */
function p99(output: string): number {
  const latencies = [...output.matchAll(/^> NOERROR .* ([\d.]+)$/gm)].map(([, seconds]) => Number(seconds) * 1000);
  return latencies.sort((a, b) => a - b)[Math.floor(latencies.length * 0.99)] ?? Number.NaN;
}

function report(figures: Readonly<Record<'resolver' | 'dnsmasq', Figures>>): void {
  const rows = Object.entries(figures).map(([name, { perSecond: rates, p99: latencies }]) => [
    name,
    `${(median(rates) / 1000).toFixed(1)} k/s (${(median(rates) / median(figures.dnsmasq.perSecond)).toFixed(2)})`,
    `${median(latencies).toFixed(3)} ms (${(median(latencies) / median(figures.dnsmasq.p99)).toFixed(2)})`,
  ]);
  console.log(table([['', 'queries (× dnsmasq)', `p99 at ${CALM}/s (× dnsmasq)`], ...rows]));
  keep('network-dns', { medianOf: ROUNDS, seconds: SECONDS, calmQueriesPerSecond: CALM, ...figures });
}
