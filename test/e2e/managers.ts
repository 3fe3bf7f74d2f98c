import { nodeOf } from '../../demo/cli.js';
import { until } from '../../demo/steps.js';
import { daemonPid, restartDaemon } from '../../lab/daemons.js';
import { heal } from '../../lab/faults.js';
import type { NodeLayout } from '../../lab/layout.js';
import { signalAll } from '../../lab/processes.js';
import { SwarmError } from '../../lib/errors.js';
import { ControlService, type Node, Reachability } from '../../proto/gen/index.js';
import { Channel, type Stubs } from '../../proto/rpc/client.js';
import { onNode } from './lab.js';

type Control = Stubs<typeof ControlService>;

/** Calls `use` with Control as one manager of the lab answers it: quicker than a process for each question. */
export async function withControl<T>({ host }: NodeLayout, use: (control: Control) => Promise<T>): Promise<T> {
  const channel = new Channel(host);
  try {
    return await use(channel.stubs(ControlService));
  } finally {
    channel.close();
  }
}

/** Runs `tsswarm` on a node of the lab and gives what it prints. @throws with its words when it fails */
export async function succeed(node: number, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await onNode(node, ...args);
  if (code !== 0) throw new Error(`node${node}: tsswarm ${args.join(' ')}: exit code ${code}: ${stderr}`);
  return stdout.trim();
}

const ANSWER = 2_000;
const SETTLED = 30;

/** The nodes by their host names, as a manager has them; undefined when it cannot say. */
export async function nodesSeenBy(manager: number): Promise<ReadonlyMap<string, Node> | undefined> {
  try {
    const { nodes } = await withControl(nodeOf(manager), (control) =>
      control.listNodes({ filters: [] }, { timeout: ANSWER }),
    );
    return new Map(nodes.map((node) => [node.description.hostname, node]));
  } catch (error) {
    if (error instanceof SwarmError) return undefined;
    throw error;
  }
}

/** The number of the node that leads, as the first of these managers says that can; undefined when none can. */
export async function leaderSeenBy(managers: readonly number[]): Promise<number | undefined> {
  for (const manager of managers) {
    const nodes = await nodesSeenBy(manager);
    if (!nodes) continue;
    return managers.find((number) => nodes.get(`node${number}`)?.managerStatus?.leader === true);
  }
  return undefined;
}

/** Resolves when these nodes and no others are managers, and each of them says of all that they are there. @returns who leads */
export function untilSettled(managers: readonly number[]): Promise<number> {
  return until(`nodes ${managers.join(', ')} are the managers, and all know it`, SETTLED, async () => {
    const views = await Promise.all(managers.map(nodesSeenBy));
    const leaders = new Set(views.map((nodes) => leaderIfWhole(nodes, managers)));
    const [leader] = leaders;
    return leaders.size === 1 ? leader : undefined;
  });
}

function leaderIfWhole(nodes: ReadonlyMap<string, Node> | undefined, managers: readonly number[]): number | undefined {
  const statuses = [...(nodes?.values() ?? [])].flatMap(({ managerStatus }) => (managerStatus ? [managerStatus] : []));
  const whole =
    statuses.length === managers.length &&
    statuses.every(({ reachability }) => reachability === Reachability.REACHABLE);
  return whole ? managers.find((number) => nodes?.get(`node${number}`)?.managerStatus?.leader === true) : undefined;
}

/** Resolves when another one of these managers leads than `before`, as they say. */
export function untilAnotherLeads(before: number, others: readonly number[]): Promise<number> {
  return until(`another manager leads than node${before}`, SETTLED, async () => {
    const leader = await leaderSeenBy(others);
    return leader === before ? undefined : leader;
  });
}

/** Names of the networks that there are, as a manager says. */
export async function networksSeenBy(manager: number): Promise<readonly string[]> {
  const list = (control: Control) => control.listNetworks({ filters: [] });
  return (await withControl(nodeOf(manager), list)).networks.map(({ spec }) => spec.name);
}

/** Removes the services and networks that a test has left, but for those of these names. */
export async function removeOthers(manager: number, kept: readonly string[] = []): Promise<void> {
  const names = new Set([...kept, 'ingress']);
  await withControl(nodeOf(manager), async (control) => {
    const { services } = await control.listServices({ filters: [] });
    for (const { id, spec } of services) if (!names.has(spec.name)) await control.removeService({ ref: id });
    const { networks } = await control.listNetworks({ filters: [] });
    for (const { id, spec } of networks) if (!names.has(spec.name)) await control.removeNetwork({ ref: id });
  });
}

/** Ends whatever was done to these nodes' daemons. */
export async function mend(nodes: readonly number[]): Promise<void> {
  for (const node of nodes.map(nodeOf)) {
    await heal(node);
    if (daemonPid(node) === undefined) await restartDaemon(node);
    else signalDaemon(node, 'SIGCONT');
  }
}

/** Freezes a node's daemon, or lets it go on. */
export function signalDaemon(node: NodeLayout, signal: 'SIGSTOP' | 'SIGCONT'): void {
  const pid = daemonPid(node);
  if (pid === undefined) throw new Error(`the daemon of ${node.name} does not run`);
  signalAll([pid], signal);
}
