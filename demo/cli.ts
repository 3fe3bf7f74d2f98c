import { execFile, spawn } from 'node:child_process';
import path from 'node:path';
import { DEFAULT_LAB, labLayout, type NodeLayout, namespaceFile, nodeLayout } from '../lab/layout.js';
import { packageRoot } from '../lib/package.js';

/** The lab that demo, tests and measurements work with. */
export const LAB = labLayout(process.env.TSSWARM_LAB || DEFAULT_LAB);

/** A node of the lab. */
export const nodeOf = (number: number): NodeLayout => nodeLayout(LAB, number);

/** How a command ended. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export const BINARY = path.join(packageRoot(), 'bin', 'tsswarm');
const MAX_OUTPUT = 64 << 20;

/** Runs a program to its end, whatever that is. */
export function execute(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const options = { maxBuffer: MAX_OUTPUT, env: { ...process.env, ...env } };
    const child = execFile(command, [...args], options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code;
      if (typeof code === 'number') resolve({ code, stdout, stderr });
      else reject(error);
    });
    child.stdin?.end();
  });
}

/** Runs a `tsswarm` command line to its end. */
export type CommandLine = (args: readonly string[], env: Readonly<Record<string, string>>) => Promise<Outcome>;

/** As a process of its own. */
export const processOutcome: CommandLine = (args, env) => execute(BINARY, args, env);

let commandLine = processOutcome;

/** How commands are run from now on. Tests, which run thousands, do without the processes where these are not their point. */
export function useCommandLine(other: CommandLine): void {
  commandLine = other;
}

/** Runs `tsswarm` and gives its exit code and output. It talks to the lab, though the machine may have a daemon of its own. */
export function tsswarmOutcome(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Outcome> {
  return commandLine(args, { TSSWARM_HOST: nodeOf(1).host, ...env });
}

/** Runs `tsswarm` and gives what it prints. @throws with its own words when it fails */
export async function tsswarm(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await tsswarmOutcome(args);
  if (code !== 0) throw new Error(`tsswarm ${args.join(' ')}: exit code ${code}: ${stderr.trim() || stdout.trim()}`);
  return stdout;
}

/** Rows of a list command, by its `--format json`. */
export async function tsswarmRows<Row>(...args: readonly string[]): Promise<readonly Row[]> {
  const text = await tsswarm(...args, '--format', 'json');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Row);
}

/** The first object that an inspect command prints. */
export async function tsswarmInspect<T>(...args: readonly string[]): Promise<T> {
  const [object] = JSON.parse(await tsswarm(...args)) as readonly T[];
  if (object === undefined) throw new Error(`tsswarm ${args.join(' ')}: printed no object`);
  return object;
}

/** As `service ps --format json` and `node ps` print it. */
export interface TaskRow {
  readonly ID: string;
  readonly Name: string;
  readonly Node: string;
  readonly DesiredState: string;
  readonly CurrentState: string;
  readonly Error: string;
  readonly Ports: string;
}

export async function tasksOf(service: string): Promise<readonly TaskRow[]> {
  return tsswarmRows<TaskRow>('service', 'ps', '--no-trunc', service);
}

export async function runningTasks(service: string): Promise<readonly TaskRow[]> {
  return (await tasksOf(service)).filter(
    (task) => task.CurrentState.startsWith('Running') && task.DesiredState === 'Running',
  );
}

/** As `network inspect --verbose` prints it. */
interface NetworkDetails {
  readonly Services: Readonly<Record<string, { readonly Tasks: readonly { Name: string; EndpointIP: string }[] }>>;
}

/** One task's place in a network. */
export interface Endpoint {
  readonly taskId: string;
  readonly name: string;
  readonly address: string;
  /** node1, node2 … */
  readonly node: string;
}

/** Running tasks of a service with their addresses in a network. */
export async function endpointsOf(network: string, service: string): Promise<readonly Endpoint[]> {
  const [{ Services: services }, tasks] = await Promise.all([
    tsswarmInspect<NetworkDetails>('network', 'inspect', '--verbose', network),
    runningTasks(service),
  ]);
  const addresses = new Map(services[service]?.Tasks.map(({ Name, EndpointIP }) => [Name, EndpointIP]));
  return tasks.flatMap((task) => {
    const name = task.Name.replace(/\.[0-9a-z]{25}$/, '');
    const address = addresses.get(`${name}.${task.ID}`);
    return address === undefined ? [] : [{ taskId: task.ID, name, address, node: task.Node }];
  });
}

/** A network namespace that a node (node1, node2 …) has made: of a task or container, of an overlay, `ingress_sbox`. */
export function netnsFile(node: string, name: string): string {
  return path.join(LAB.runRoot, node, 'netns', name);
}

/** Runs a program in the network namespace of a task. */
export function execInTask(endpoint: Endpoint, command: readonly string[]): Promise<Outcome> {
  return execute('nsenter', [`--net=${netnsFile(endpoint.node, endpoint.taskId)}`, '--', ...command]);
}

/** Runs a program in the network namespace of a station of the lab: node1, client … */
export function execAt(station: string, command: readonly string[]): Promise<Outcome> {
  return execute('nsenter', [`--net=${namespaceFile(LAB, station)}`, '--', ...command]);
}

/** Starts a program at a station; its output is read by the caller. */
export function spawnAt(station: string, command: readonly string[]) {
  return spawn('nsenter', [`--net=${namespaceFile(LAB, station)}`, '--', ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}
