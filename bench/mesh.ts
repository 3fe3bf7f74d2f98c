import type { ChildProcess } from 'node:child_process';
import { LAB } from '../demo/cli.js';
import { namespaceOf } from '../lab/layout.js';
import { haproxy } from './haproxy.js';
import { importPrograms } from './image.js';
import { NGINX, needPrograms } from './nginx.js';
import { inNetns, keep, median, run, table } from './run.js';
import { CLI, labAddress } from './ts-swarm.js';
import { wrk } from './wrk.js';

const ROUNDS = 3;
const SECONDS = 3;
const PROXY_PORT = 8082;
const CLIENT = namespaceOf(LAB, 'client');

/**
 * All paths end at one task, which sees the client's own address: each path needs client ports of its
 * own, or a port that was just used by another path meets that connection's TIME_WAIT there.
 */
interface MeasuredPath {
  readonly url: string;
  readonly clientPorts: string;
}

/**
 * Requests/s from the lab's client to one nginx task: straight to its host port, and through the
 * routing mesh on the task's own node (local) and on another (remote); and through a haproxy in TCP mode at the same
 * places, set up by hand, which hides the client's address. In turns, wrk with 32 connections, kept alive and new for
 * each request.
 */
export async function mesh(): Promise<void> {
  needPrograms({ wrk: 'wrk', nginx: 'nginx-light', haproxy: 'haproxy' });
  run(CLI, ['lab', 'up', '--nodes', '3']);
  const proxies: ChildProcess[] = [];
  try {
    importPrograms(NGINX.image, NGINX.programs, NGINX.files);
    run(CLI, [
      'service',
      'create',
      '--name',
      'web',
      '--constraint',
      'node.hostname==node2',
      '--publish',
      '8080:80',
      '--publish',
      'mode=host,published=8081,target=80',
      NGINX.image,
      ...NGINX.command,
    ]);
    const direct = `${labAddress('node2')}:8081`;
    const through = async (node: string) => {
      proxies.push(await haproxy(namespaceOf(LAB, node), `${labAddress(node)}:${PROXY_PORT}`, direct));
      return `http://${labAddress(node)}:${PROXY_PORT}/`;
    };
    const paths: Record<string, MeasuredPath> = {
      direct: { url: `http://${direct}/`, clientPorts: '1024 13000' },
      local: { url: `http://${labAddress('node2')}:8080/`, clientPorts: '13001 26000' },
      remote: { url: `http://${labAddress('node1')}:8080/`, clientPorts: '26001 39000' },
      haproxyLocal: { url: await through('node2'), clientPorts: '39001 52000' },
      haproxyRemote: { url: await through('node1'), clientPorts: '52001 65000' },
    };
    const figures: Record<string, { keepAlive: number[]; fresh: number[] }> = Object.fromEntries(
      Object.keys(paths).map((name) => [name, { keepAlive: [], fresh: [] }]),
    );
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, { url, clientPorts }] of Object.entries(paths)) {
        run(...inNetns(CLIENT, 'sysctl', '-qw', `net.ipv4.ip_local_port_range=${clientPorts}`));
        figures[name]?.keepAlive.push((await wrk(CLIENT, url, { seconds: SECONDS })).requestsPerSecond);
        figures[name]?.fresh.push((await wrk(CLIENT, url, { seconds: SECONDS, close: true })).requestsPerSecond);
      }
    }
    report(figures);
  } finally {
    for (const proxy of proxies) proxy.kill('SIGKILL');
    run(CLI, ['lab', 'down']);
  }
}

function report(figures: Record<string, { keepAlive: number[]; fresh: number[] }>): void {
  const direct = figures.direct ?? { keepAlive: [], fresh: [] };
  const cell = (values: number[], base: number[]) =>
    `${(median(values) / 1000).toFixed(1)} k/s (${(median(values) / median(base)).toFixed(2)})`;
  const rows = Object.entries(figures).map(([name, row]) => [
    name,
    cell(row.keepAlive, direct.keepAlive),
    cell(row.fresh, direct.fresh),
  ]);
  console.log(table([['', 'keep-alive (× direct)', 'new connections (× direct)'], ...rows]));
  keep('mesh', { medianOf: ROUNDS, seconds: SECONDS, requestsPerSecond: figures });
}
