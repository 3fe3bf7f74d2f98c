import path from 'node:path';
import { invalidArgument } from '../lib/errors.js';

/**
 * Where the things of labs are. Everything is found again by these names alone: there is no record of
 * a lab besides the namespaces, folders and cgroups that it is made of.
 */
export const RUN_ROOT = '/run/tsswarm';
const DATA_ROOT = '/var/lib/tsswarm';
/** The lab that is meant when none is named. */
export const DEFAULT_LAB = 'lab';
/** Folder of the folders of all other labs. */
export const OTHER_LABS = 'labs';
/** Folders with one folder for each lab but the default one. */
export const LAB_FOLDERS: readonly string[] = [RUN_ROOT, DATA_ROOT].map((root) => path.join(root, OTHER_LABS));
/** Where `ip netns` keeps named namespaces. */
export const NETNS_DIRECTORY = '/run/netns';
/** Cgroups of the nodes are children of this one: `/tsswarm/lab-node1`. */
export const CGROUP_ROOT = '/tsswarm';
/** The switch: a namespace with a bridge; each port is named after the station on its other end. */
export const SWITCH = 'underlay';
export const SWITCH_BRIDGE = 'br0';
export const CLIENT = 'client';
/** With `--attach-host`: the link in the machine's own namespace, whose alias says which lab it leads to. */
export const HOST_LINK = 'lab-host';
export const HOST_PORT = 'host';

const NETWORK = '203.0.113';
/** Of addresses for documentation (RFC 3849), as the other (RFC 5737). */
const NETWORK6 = '2001:db8::';
export const PREFIX_LENGTH = 24;
export const PREFIX_LENGTH6 = 64;
export const CLIENT_ADDRESS = `${NETWORK}.250`;
export const CLIENT_ADDRESS6 = `${NETWORK6}250`;
export const HOST_ADDRESS = `${NETWORK}.254`;
export const HOST_ADDRESS6 = `${NETWORK6}254`;
export const MAX_NODES = 200;
const MAX_NAME = 32;

/** Everything about a lab that its name determines. */
export interface LabLayout {
  readonly name: string;
  readonly runRoot: string;
  readonly dataRoot: string;
  /** One image store for all nodes of the lab. */
  readonly imageRoot: string;
  /** What the names of its namespaces and cgroups begin with: `lab-`, or `lab-blue-` of the lab "blue". */
  readonly prefix: string;
}

/** Everything about one node that its lab and its number determine. */
export interface NodeLayout {
  readonly lab: LabLayout;
  /** node1, node2 … */
  readonly name: string;
  readonly number: number;
  /** Name for `ip netns`. */
  readonly namespace: string;
  readonly address: string;
  /** With the same digits at its end. */
  readonly address6: string;
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

export function isLabName(name: string): boolean {
  return name.length <= MAX_NAME && /^[a-z0-9]+(?:-+[a-z0-9]+)*$/.test(name);
}

/** @throws INVALID_ARGUMENT when no lab can have this name */
export function labLayout(name: string): LabLayout {
  if (!isLabName(name)) {
    throw invalidArgument(`"${name}" is not a name for a lab`, {
      value: name,
      hint: `Names are of small letters, digits and hyphens between them, at most ${MAX_NAME}.`,
    });
  }
  const dataRoot = labFolder(DATA_ROOT, name);
  return {
    name,
    runRoot: labFolder(RUN_ROOT, name),
    dataRoot,
    imageRoot: path.join(dataRoot, 'images'),
    prefix: name === DEFAULT_LAB ? 'lab-' : `lab-${name}-`,
  };
}

/** A lab's folder below the machine's run or data folder: `lab`, and `labs/NAME` of those with another name. */
export function labFolder(root: string, name: string): string {
  return name === DEFAULT_LAB ? path.join(root, DEFAULT_LAB) : path.join(root, OTHER_LABS, name);
}

export function nodeLayout(lab: LabLayout, number: number): NodeLayout {
  const name = `node${number}`;
  const runRoot = path.join(lab.runRoot, name);
  const dataRoot = path.join(lab.dataRoot, name);
  const socket = path.join(runRoot, 'tsswarm.sock');
  const namespace = namespaceOf(lab, name);
  return {
    lab,
    name,
    number,
    namespace,
    address: `${NETWORK}.${number}`,
    address6: `${NETWORK6}${number}`,
    runRoot,
    dataRoot,
    socket,
    host: `unix://${socket}`,
    pidFile: path.join(runRoot, 'tsswarmd.pid'),
    logFile: path.join(dataRoot, 'tsswarmd.log'),
    flagsFile: path.join(dataRoot, 'tsswarmd.flags'),
    stateFile: path.join(dataRoot, 'node.json'),
    cgroup: `${CGROUP_ROOT}/${namespace}`,
  };
}

/** Name of a station's namespace and cgroup. Stations are the nodes, the client and the switch. */
export function namespaceOf(lab: LabLayout, station: string): string {
  return `${lab.prefix}${station}`;
}

export function namespaceFile(lab: LabLayout, station: string): string {
  return path.join(NETNS_DIRECTORY, namespaceOf(lab, station));
}

/** Whose namespace or cgroup it is by its name; undefined when it is no lab's. */
export function parseNamespace(name: string): { readonly lab: string; readonly station: string } | undefined {
  const [, lab = DEFAULT_LAB, station] = new RegExp(`^lab-(?:(.+)-)?(node\\d+|${CLIENT}|${SWITCH})$`).exec(name) ?? [];
  return station === undefined ? undefined : { lab, station };
}

/** Whether a namespace or cgroup of this name is the lab's, or the node's. */
export function owns(place: LabLayout | NodeLayout, name: string): boolean {
  return 'namespace' in place ? name === place.namespace : parseNamespace(name)?.lab === place.name;
}

/**
 * The number of `node3`, or of its namespace `lab-node3`.
 * @throws INVALID_ARGUMENT for anything else
 */
export function parseNodeName(lab: LabLayout, name: string): number {
  const station = name.startsWith(lab.prefix) ? name.slice(lab.prefix.length) : name;
  const match = /^node([1-9]\d{0,2})$/.exec(station);
  if (!match)
    throw invalidArgument(`"${name}" is not a node of a lab`, { value: name, hint: 'Nodes are named node1, node2 …' });
  return Number(match[1]);
}

/** How a message calls a lab: by its name when it was given one. */
export function titleOf(lab: LabLayout): string {
  return lab.name === DEFAULT_LAB ? 'lab' : `lab "${lab.name}"`;
}

/** A command about a lab as one would type it: `tsswarm lab up --name blue`. */
export function commandOf(lab: LabLayout, command: string, ...args: readonly string[]): string {
  return ['tsswarm lab', command, ...(lab.name === DEFAULT_LAB ? [] : [`--name ${lab.name}`]), ...args].join(' ');
}
