import { LAB } from '../demo/cli.js';
import { namespaceOf } from '../lab/layout.js';
import { importPrograms } from './image.js';
import { have, inNetns, keep, median, run, runAsync, table } from './run.js';
import { CLI, labAddress } from './ts-swarm.js';

const ROUNDS = 3;
const SECONDS = 3;
const NGINX_CONF = `
worker_processes 1;
daemon off;
error_log stderr crit;
pid /nginx.pid;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path /t1; proxy_temp_path /t2; fastcgi_temp_path /t3; uwsgi_temp_path /t4; scgi_temp_path /t5;
  server { listen 80 backlog=4096; location / { default_type text/plain; return 200 "ok\\n"; } }
}
`;

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
 * routing mesh on the task's own node (local) and on another (remote). In turns, wrk with 32
 * connections, kept alive and new for each request.
 */
export async function mesh(): Promise<void> {
  for (const tool of ['wrk', 'nginx']) {
    if (!have(tool))
      throw new Error(`the comparison needs ${tool}: apt-get install ${tool === 'nginx' ? 'nginx-light' : tool}`);
  }
  run(CLI, ['lab', 'up', '--nodes', '3']);
  try {
    importPrograms('bench-nginx:1', ['/usr/sbin/nginx'], {
      'etc/passwd': 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
      'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
      'nginx.conf': NGINX_CONF,
      'var/log/nginx/error.log': '',
      'var/lib/nginx/.keep': '',
    });
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
      'bench-nginx:1',
      '/usr/sbin/nginx',
      '-c',
      '/nginx.conf',
    ]);
    const paths: Record<string, MeasuredPath> = {
      direct: { url: `http://${labAddress('node2')}:8081/`, clientPorts: '1024 22000' },
      local: { url: `http://${labAddress('node2')}:8080/`, clientPorts: '22001 43000' },
      remote: { url: `http://${labAddress('node1')}:8080/`, clientPorts: '43001 65000' },
    };
    const figures: Record<string, { keepAlive: number[]; fresh: number[] }> = Object.fromEntries(
      Object.keys(paths).map((name) => [name, { keepAlive: [], fresh: [] }]),
    );
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, { url, clientPorts }] of Object.entries(paths)) {
        run(...inNetns(namespaceOf(LAB, 'client'), 'sysctl', '-qw', `net.ipv4.ip_local_port_range=${clientPorts}`));
        figures[name]?.keepAlive.push(await requestsPerSecond(url));
        figures[name]?.fresh.push(await requestsPerSecond(url, '-H', 'Connection: close'));
      }
    }
    report(figures);
  } finally {
    run(CLI, ['lab', 'down']);
  }
}

async function requestsPerSecond(url: string, ...extra: string[]): Promise<number> {
  const [command, args] = inNetns(namespaceOf(LAB, 'client'), 'wrk', '-t1', '-c32', `-d${SECONDS}s`, ...extra, url);
  const out = await runAsync(command, args);
  const match = /Requests\/sec:\s+([\d.]+)/.exec(out);
  if (!match || /Non-2xx|Socket errors: connect [1-9]/.test(out)) throw new Error(`wrk ${url}: ${out}`);
  return Number(match[1]);
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
