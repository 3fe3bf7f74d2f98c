import path from 'node:path';
import { invalidArgument } from '../lib/errors.js';

/**
 * Where a lab's things are. Everything is found again by these names alone: there is no record of a
 * lab besides the namespaces, folders and cgroups that it is made of.
 */
export const RUN_ROOT = '/run/tsswarm/lab';
export const DATA_ROOT = '/var/lib/tsswarm/lab';
/** One image store for all nodes of the lab. */
export const IMAGE_ROOT = path.join(DATA_ROOT, 'images');
/** Where `ip netns` keeps named namespaces. */
export const NETNS_DIRECTORY = '/run/netns';
export const NAMESPACE_PREFIX = 'lab-';
/** Cgroups of the nodes are children of this one: `/tsswarm/lab-node1`. */
export const CGROUP_ROOT = '/tsswarm';
/** The switch: a namespace with a bridge; each port is named after the node on its other end. */
export const SWITCH = 'underlay';
export const SWITCH_BRIDGE = 'br0';
export const CLIENT = 'client';
/** Port on the switch and link in the machine's own namespace, with `--attach-host`. */
export const HOST_LINK = 'lab-host';

const NETWORK = '203.0.113';
export const PREFIX_LENGTH = 24;
export const CLIENT_ADDRESS = `${NETWORK}.250`;
export const HOST_ADDRESS = `${NETWORK}.254`;
export const MAX_NODES = 200;

/** Everything about one node that its number determines. */
export interface NodeLayout {
  /** node1, node2 … */
  readonly name: string;
  readonly number: number;
  /** Name for `ip netns`. */
  readonly namespace: string;
  readonly address: string;
  readonly runRoot: string;
  readonly dataRoot: string;
  /** Path of the daemon's local socket. */
  readonly socket: string;
  /** What `-H` and TSSWARM_HOST take. */
  readonly host: string;
  readonly pidFile: string;
  readonly logFile: string;
  /** Flags that the daemon was last started with, as a JSON array. */
  readonly flagsFile: string;
  /** What the daemon knows of its place in the swarm; written by the daemon. */
  readonly stateFile: string;
  readonly cgroup: string;
}

export function nodeLayout(number: number): NodeLayout {
  const name = `node${number}`;
  const runRoot = path.join(RUN_ROOT, name);
  const dataRoot = path.join(DATA_ROOT, name);
  const socket = path.join(runRoot, 'tsswarm.sock');
  return {
    name,
    number,
    namespace: namespaceOf(name),
    address: `${NETWORK}.${number}`,
    runRoot,
    dataRoot,
    socket,
    host: `unix://${socket}`,
    pidFile: path.join(runRoot, 'tsswarmd.pid'),
    logFile: path.join(dataRoot, 'tsswarmd.log'),
    flagsFile: path.join(dataRoot, 'tsswarmd.flags'),
    stateFile: path.join(dataRoot, 'node.json'),
    cgroup: `${CGROUP_ROOT}/${namespaceOf(name)}`,
  };
}

export function namespaceOf(name: string): string {
  return `${NAMESPACE_PREFIX}${name}`;
}

export function namespaceFile(name: string): string {
  return path.join(NETNS_DIRECTORY, namespaceOf(name));
}

/**
 * The number of `node3`, or of `lab-node3`.
 * @throws INVALID_ARGUMENT for anything else
 */
export function parseNodeName(name: string): number {
  const match = /^(?:lab-)?node([1-9]\d{0,2})$/.exec(name);
  if (!match)
    throw invalidArgument(`"${name}" is not a node of a lab`, { value: name, hint: 'Nodes are named node1, node2 …' });
  return Number(match[1]);
}
