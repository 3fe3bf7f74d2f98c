import { readFileSync } from 'node:fs';
import { type Clock, systemClock } from '../lib/clock.js';
import {
  alreadyExists,
  errnoOf,
  failedPrecondition,
  invalidArgument,
  messageOf,
  notFound,
  SwarmError,
} from '../lib/errors.js';
import {
  ClusterSpec,
  InitRequest,
  type InitResponse,
  JoinSwarmRequest,
  NodeRole,
  SwarmState,
} from '../proto/gen/index.js';
import { type DaemonOptions, daemonFlags, daemonPid, nodeInfo, startDaemon, withAgent } from './daemons.js';
import { partitioned } from './faults.js';
import { attachedLab, describeInventory, isEmpty, labNames, takeInventory } from './inventory.js';
import {
  commandOf,
  HOST_LINK,
  type LabLayout,
  labLayout,
  MAX_NODES,
  type NodeLayout,
  nodeLayout,
  parseNodeName,
  titleOf,
} from './layout.js';
import { takeDown } from './teardown.js';
import { createUnderlay, labNamespaces } from './underlay.js';

export interface LabOptions extends DaemonOptions {
  readonly nodes: number;
  readonly managers: number;
  /** Gives the machine's own namespace a link into the lab's network, which it can have to one lab. */
  readonly attachHost: boolean;
  /** Nanoseconds between two heartbeats of a worker; three without one and it is down. */
  readonly dispatcherHeartbeat: number;
}

export interface LabNode {
  readonly layout: NodeLayout;
  readonly role: 'manager' | 'worker' | '';
  readonly pid: number | undefined;
  readonly status: 'Ready' | 'Connecting' | 'Removed' | 'Not joined' | 'Partitioned' | 'Stopped' | 'Not answering';
}

const JOIN_TIMEOUT = 30_000;
const READY_DEADLINE = 20_000;
const POLL = 30;

/**
 * Makes a swarm of real daemons on this machine: node1 is its first manager, the others join it. Resolves
 * when every node is ready for tasks. When anything fails, or `signal` aborts, all is taken down again.
 * @param progress is told each step as it begins
 * @throws ALREADY_EXISTS when there is a lab of this name, or anything left of one
 */
export async function labUp(
  lab: LabLayout,
  options: LabOptions,
  progress: (step: string) => void,
  signal: AbortSignal,
): Promise<readonly NodeLayout[]> {
  check(options);
  await refuseSecond(lab);
  if (options.attachHost) await refuseSecondLink();
  const nodes = Array.from({ length: options.nodes }, (_, index) => nodeLayout(lab, index + 1));
  try {
    progress(`Making a switch and ${nodes.length} nodes`);
    await createUnderlay(lab, nodes, options.attachHost);
    signal.throwIfAborted();
    progress('Starting the daemons');
    await all(nodes, (node) => startDaemon(node, daemonFlags(options)));
    signal.throwIfAborted();
    progress('Forming the swarm');
    await formSwarm(nodes, options);
    await untilReady(nodes, signal);
    return nodes;
  } catch (error) {
    await takeDown(lab);
    if (signal.aborted) throw new SwarmError('CANCELLED', 'interrupted: the lab has been taken down again');
    throw error;
  }
}

function check({ nodes, managers }: LabOptions): void {
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > MAX_NODES) {
    throw invalidArgument(`a lab cannot have ${nodes} nodes`, {
      value: String(nodes),
      hint: `From 1 to ${MAX_NODES} are possible.`,
    });
  }
  if (!Number.isInteger(managers) || managers < 1 || managers > nodes) {
    throw invalidArgument(`a lab of ${nodes} nodes cannot have ${managers} managers`, { value: String(managers) });
  }
  if (process.getuid?.() !== 0) {
    throw failedPrecondition('a lab needs root', {
      hint: 'It makes network namespaces, cgroups and mounts: run it with sudo.',
    });
  }
}

async function refuseSecond(lab: LabLayout): Promise<void> {
  const inventory = await takeInventory(lab);
  if (isEmpty(inventory)) return;
  const running = labNodes(lab);
  throw alreadyExists(
    running.length > 0
      ? `there is a ${titleOf(lab)} already, with ${running.map((node) => node.name).join(', ')}`
      : `there are remains of a ${titleOf(lab)}: ${describeInventory(inventory).slice(0, 3).join(', ')}`,
    { value: lab.name, hint: `"${commandOf(lab, 'down')}" takes it down; another --name makes one beside it.` },
  );
}

/** All labs have the same addresses, so that the machine could not tell two of them apart. */
async function refuseSecondLink(): Promise<void> {
  const attached = await attachedLab();
  if (attached === undefined) return;
  const other = labLayout(attached);
  throw failedPrecondition(`this machine is attached to the ${titleOf(other)} already, which has the same addresses`, {
    value: HOST_LINK,
    hint: `Leave out --attach-host, or take that lab down: "${commandOf(other, 'down')}".`,
  });
}

async function formSwarm(nodes: readonly NodeLayout[], options: LabOptions): Promise<void> {
  const [first, ...others] = nodes;
  if (!first) return;
  const init = InitRequest.create({
    advertiseAddress: first.address,
    spec: ClusterSpec.create({ name: 'default', dispatcherHeartbeat: options.dispatcherHeartbeat }),
  });
  const swarm = await withAgent(first, (agent) => agent.init(init, { timeout: JOIN_TIMEOUT }));
  const managers = others.slice(0, options.managers - 1);
  // One after another: each is a voter before the next one comes, so that none of them waits for a majority of newcomers.
  for (const node of managers) await all([node], (one) => join(one, swarm, swarm.managerToken));
  await all(others.slice(managers.length), (node) => join(node, swarm, swarm.workerToken));
}

async function join(node: NodeLayout, swarm: InitResponse, token: string): Promise<void> {
  const request = JoinSwarmRequest.create({
    token,
    remoteAddresses: [swarm.advertiseAddress],
    advertiseAddress: node.address,
  });
  await withAgent(node, (agent) => agent.joinSwarm(request, { timeout: JOIN_TIMEOUT }));
}

async function untilReady(
  nodes: readonly NodeLayout[],
  signal: AbortSignal,
  clock: Clock = systemClock,
): Promise<void> {
  const deadline = clock.monotonic() + READY_DEADLINE;
  for (let waiting = nodes; ; ) {
    const infos = await Promise.all(waiting.map(async (node) => ({ node, info: await nodeInfo(node) })));
    const rest = infos.filter(({ info }) => info?.state !== SwarmState.ACTIVE);
    if (rest.length === 0) return;
    if (clock.monotonic() > deadline) {
      const states = rest.map(
        ({ node, info }) =>
          `${node.name}: ${info?.error || (info ? 'no manager has answered' : 'its daemon does not answer')}`,
      );
      throw failedPrecondition(`not all nodes became ready in ${READY_DEADLINE / 1000} s: ${states.join('; ')}`);
    }
    waiting = rest.map(({ node }) => node);
    await clock.sleep(POLL, signal);
  }
}

/** The work for all nodes at once. @throws the first failure, after all have ended; a failure says which node it was */
async function all(nodes: readonly NodeLayout[], work: (node: NodeLayout) => Promise<void>): Promise<void> {
  const results = await Promise.allSettled(nodes.map(work));
  const index = results.findIndex((result) => result.status === 'rejected');
  const failed = results[index];
  if (failed?.status !== 'rejected') return;
  const cause: unknown = failed.reason;
  const details = cause instanceof SwarmError ? { value: cause.value, hint: cause.hint, cause } : { cause };
  throw new SwarmError(
    cause instanceof SwarmError ? cause.code : 'INTERNAL',
    `${nodes[index]?.name}: ${messageOf(cause)}`,
    details,
  );
}

/** Nodes that the lab has on this machine, by number. */
function labNodes(lab: LabLayout): readonly NodeLayout[] {
  return labNamespaces(lab)
    .filter((name) => /^node\d+$/.test(name))
    .map((name) => nodeLayout(lab, parseNodeName(lab, name)))
    .sort((a, b) => a.number - b.number);
}

/** @throws NOT_FOUND when the lab has no such node, INVALID_ARGUMENT when it is no name of one */
export function labNode(lab: LabLayout, name: string): NodeLayout {
  const number = parseNodeName(lab, name);
  const nodes = labNodes(lab);
  const node = nodes.find((candidate) => candidate.number === number);
  if (node) return node;
  throw notFound(`there is no node "${name}" in the ${titleOf(lab)}`, {
    value: name,
    hint:
      nodes.length > 0
        ? `Its nodes are ${nodes.map((n) => n.name).join(', ')}.`
        : `There is no ${titleOf(lab)}: "${commandOf(lab, 'up', '--nodes 3')}" makes one.`,
  });
}

/** The nodes of all labs as they are now. */
export async function listLabs(): Promise<readonly LabNode[]> {
  return (await Promise.all((await labNames()).map((name) => listLab(labLayout(name))))).flat();
}

/** The lab's nodes as they are now. */
export async function listLab(lab: LabLayout): Promise<readonly LabNode[]> {
  const nodes = labNodes(lab);
  if (nodes.length === 0) return [];
  const cut = await partitioned(lab);
  return Promise.all(nodes.map((layout) => describeNode(layout, cut.has(layout.name))));
}

async function describeNode(layout: NodeLayout, cut: boolean): Promise<LabNode> {
  const pid = daemonPid(layout);
  const info = pid === undefined ? undefined : await nodeInfo(layout);
  if (!info) return { layout, pid, role: roleOnDisk(layout), status: pid === undefined ? 'Stopped' : 'Not answering' };
  const role = info.nodeId === '' ? '' : info.role === NodeRole.MANAGER ? 'manager' : 'worker';
  return { layout, pid, role, status: cut ? 'Partitioned' : STATUS[info.state] };
}

const STATUS: Readonly<Record<SwarmState, LabNode['status']>> = {
  [SwarmState.INACTIVE]: 'Not joined',
  [SwarmState.PENDING]: 'Connecting',
  [SwarmState.ACTIVE]: 'Ready',
  [SwarmState.ERROR]: 'Removed',
  [SwarmState.LOCKED]: 'Connecting',
};

/** Of a daemon that cannot be asked: what it wrote down when it joined. */
function roleOnDisk(node: NodeLayout): LabNode['role'] {
  try {
    const { role } = JSON.parse(readFileSync(node.stateFile, 'utf8')) as { readonly role?: unknown };
    return role === 'manager' || role === 'worker' ? role : '';
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw error;
  }
}
