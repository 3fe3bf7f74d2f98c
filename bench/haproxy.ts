import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { inNetns, run, runAsync } from './run.js';
import { until } from './swarm.js';

const configuration = (at: string, server: string) => `
global
  maxconn 2000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen mesh
  bind ${at}
  balance roundrobin
  server one ${server}
`;

/** A haproxy in TCP mode in a network namespace of `ip netns`, in the foreground: kill it. Resolves when it answers. */
export async function haproxy(netns: string, at: string, server: string): Promise<ChildProcess> {
  const folder = mkdtempSync('/var/tmp/bench-haproxy-');
  const file = path.join(folder, 'haproxy.cfg');
  try {
    writeFileSync(file, configuration(at, server));
    const checked = inNetns(netns, 'haproxy', '-c', '-q', '-f', file);
    run(...checked);
    const [command, args] = inNetns(netns, 'haproxy', '-db', '-f', file);
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    const answers = () =>
      runAsync(...inNetns(netns, 'curl', '-sf', '--max-time', '1', `http://${at}/`)).then(
        () => true,
        () => false,
      );
    try {
      await until(answers, 10_000, `haproxy at ${at}`);
    } catch (error) {
      child.kill();
      throw error;
    }
    return child;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
