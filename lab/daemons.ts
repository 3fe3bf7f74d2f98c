import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Clock, systemClock } from '../lib/clock.js';
import { alreadyExists, failedPrecondition, internal, messageOf } from '../lib/errors.js';
import { packageRoot } from '../lib/package.js';
import { InfoRequest, type InfoResponse, NodeAgentService } from '../proto/gen/index.js';
import { Channel, type Stubs } from '../proto/rpc/client.js';
import { type NodeLayout, namespaceFile } from './layout.js';
import { isContainer, isDaemon, processes, signalAll } from './processes.js';

const START_DEADLINE = 15_000;
const STOP_DEADLINE = 15_000;
const POLL = 20;

export interface DaemonOptions {
  readonly logLevel: string;
  /** Labels of the engine: key=value. */
  readonly labels: readonly string[];
  /** '' leaves the choice to the daemon. */
  readonly balancer: string;
}

/** Pid of the node's daemon, or undefined when none runs. */
export function daemonPid(node: NodeLayout): number | undefined {
  return processes().find((p) => isDaemon(p, node))?.pid;
}

/** Flags beyond those that the node's place in the lab determines. */
export function daemonFlags(options: DaemonOptions): readonly string[] {
  return [
    ...['--log-level', options.logLevel],
    ...options.labels.flatMap((label) => ['--label', label]),
    ...(options.balancer ? ['--balancer', options.balancer] : []),
  ];
}

/** Starts a daemon that was stopped or killed, with the flags that it had. */
export async function restartDaemon(node: NodeLayout): Promise<void> {
  await startDaemon(node, JSON.parse(readFileSync(node.flagsFile, 'utf8')) as string[]);
}

/**
 * Starts the node's daemon, in the node's namespace but with the machine's own mounts and cgroups,
 * and resolves when it answers on its socket.
 * @throws ALREADY_EXISTS when it runs
 * @throws FAILED_PRECONDITION with the end of its log when it does not come up
 */
export async function startDaemon(
  node: NodeLayout,
  flags: readonly string[],
  clock: Clock = systemClock,
): Promise<void> {
  const running = daemonPid(node);
  if (running !== undefined)
    throw alreadyExists(`${node.name} is running already (pid ${running})`, { value: node.name });
  mkdirSync(node.dataRoot, { recursive: true, mode: 0o700 });
  writeFileSync(node.flagsFile, JSON.stringify(flags));
  const log = openSync(node.logFile, 'a', 0o600);
  const child = spawn(
    'nsenter',
    [
      `--net=${namespaceFile(node.lab, node.name)}`,
      '--',
      path.join(packageRoot(), 'bin', 'tsswarmd'),
      ...['--data-root', node.dataRoot],
      ...['--run-root', node.runRoot],
      ...['--image-root', node.lab.imageRoot],
      ...['--cgroup-parent', node.cgroup],
      ...['--hostname', node.name],
      // Each node has a loopback interface of its own.
      ...['--metrics-addr', '127.0.0.1:9323'],
      ...flags,
    ],
    { detached: true, stdio: ['ignore', log, log] },
  );
  closeSync(log);
  let ended: string | undefined;
  child.once('error', (error) => {
    ended = messageOf(error);
  });
  child.once('exit', (code, signal) => {
    ended = `it ended with ${signal ?? `code ${code}`}`;
  });
  child.unref();
  const deadline = clock.monotonic() + START_DEADLINE;
  while (!(await answers(node))) {
    if (ended === undefined && clock.monotonic() > deadline)
      ended = `it did not answer on ${node.socket} in ${START_DEADLINE / 1000} s`;
    if (ended !== undefined)
      throw failedPrecondition(`the daemon of ${node.name} did not start: ${ended}`, { hint: endOfLog(node) });
    await clock.sleep(POLL);
  }
}

/** Calls `use` with the node's local API. @throws UNAVAILABLE when its daemon does not answer */
export async function withAgent<T>(
  node: NodeLayout,
  use: (agent: Stubs<typeof NodeAgentService>) => Promise<T>,
): Promise<T> {
  const channel = new Channel(node.host);
  try {
    return await use(channel.stubs(NodeAgentService));
  } finally {
    channel.close();
  }
}

/** What the node's daemon says of itself, or undefined when it does not answer. */
export async function nodeInfo(node: NodeLayout): Promise<InfoResponse | undefined> {
  if (!statSync(node.socket, { throwIfNoEntry: false })) return undefined;
  return withAgent(node, (agent) => agent.info(InfoRequest.create(), { timeout: 2_000 })).catch(() => undefined);
}

async function answers(node: NodeLayout): Promise<boolean> {
  return (await nodeInfo(node)) !== undefined;
}

/**
 * Ends the daemon and leaves its containers and network running, as an upgrade does. Does nothing
 * when it does not run.
 * @throws INTERNAL when it does not end
 */
export async function stopDaemon(node: NodeLayout, clock: Clock = systemClock): Promise<void> {
  const pid = daemonPid(node);
  if (pid === undefined) return;
  signalAll([pid], 'SIGTERM');
  await untilGone(() => daemonPid(node) !== undefined, `the daemon of ${node.name} (pid ${pid})`, clock);
}

/** SIGKILL to the daemon, and to all that runs in its containers when asked. */
export async function killDaemon(node: NodeLayout, containers: boolean, clock: Clock = systemClock): Promise<void> {
  const victims = () => processes().filter((p) => isDaemon(p, node) || (containers && isContainer(p, node)));
  const kill = () => {
    const found = victims();
    signalAll(
      found.map((p) => p.pid),
      'SIGKILL',
    );
    return found.length > 0;
  };
  await untilGone(kill, `processes of ${node.name}`, clock);
}

async function untilGone(there: () => boolean, what: string, clock: Clock): Promise<void> {
  const deadline = clock.monotonic() + STOP_DEADLINE;
  while (there()) {
    if (clock.monotonic() > deadline) throw internal(`${what} did not end in ${STOP_DEADLINE / 1000} s`);
    await clock.sleep(POLL);
  }
}

/** The last lines of the node's log, for an error message. */
function endOfLog(node: NodeLayout, lines = 10): string {
  const text = readFileSync(node.logFile, 'utf8').trimEnd();
  return text === ''
    ? `${node.logFile} is empty`
    : `${node.logFile} ends with\n${text.split('\n').slice(-lines).join('\n')}`;
}
