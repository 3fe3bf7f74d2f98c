import { invalidArgument, SwarmError } from '../../lib/errors.js';
import { contains, isAddress, parseAddress, parseCidr } from '../../lib/ip.js';
import { type Node, NodeRole } from '../../proto/gen/index.js';

/** One parsed placement constraint. */
export interface Constraint {
  readonly key: string;
  readonly equal: boolean;
  readonly value: string;
}

const KEYS = new Set(['node.id', 'node.hostname', 'node.ip', 'node.role', 'node.platform.os', 'node.platform.arch']);
const LABELS = ['node.labels.', 'engine.labels.'];
/** Parsed constraints that are kept at most. */
const MAX_PARSED = 10_000;
const SYNTAX = /^\s*([\w./-]+)\s*(==|!=)\s*(.*?)\s*$/s;

/**
 * Parses `node.role==worker` or `node.labels.zone!=a`.
 * @throws INVALID_ARGUMENT that names the constraint and says what is allowed
 */
export function parseConstraint(text: string): Constraint {
  const match = SYNTAX.exec(text);
  const [, key = '', operator, value = ''] = match ?? [];
  if (!match || value === '')
    throw invalidArgument(`"${text}" is not a placement constraint`, {
      value: text,
      hint: 'A constraint looks like node.role==worker or node.labels.zone!=a.',
    });
  if (!KEYS.has(key) && !LABELS.some((prefix) => key.startsWith(prefix) && key.length > prefix.length))
    throw invalidArgument(`constraint "${text}": there is no node property "${key}"`, {
      value: text,
      hint: `One of ${[...KEYS].join(', ')}, node.labels.NAME, engine.labels.NAME.`,
    });
  if (key === 'node.role' && !/^(worker|manager)$/i.test(value))
    throw invalidArgument(`constraint "${text}": "${value}" is not a role`, {
      value: text,
      hint: 'A role is worker or manager.',
    });
  if (key === 'node.ip') value.includes('/') ? parseCidr(value) : parseAddress(value);
  return { key, equal: operator === '==', value };
}

const parsed = new Map<string, Constraint | SwarmError>();

/** Parses each once; the error when one does not parse. */
export function parseConstraints(texts: readonly string[]): readonly Constraint[] | SwarmError {
  const constraints: Constraint[] = [];
  for (const text of texts) {
    const constraint = parsed.get(text) ?? tryParse(text);
    parsed.set(text, constraint);
    if (constraint instanceof SwarmError) return constraint;
    constraints.push(constraint);
  }
  return constraints;
}

function tryParse(text: string): Constraint | SwarmError {
  if (parsed.size >= MAX_PARSED) parsed.clear();
  try {
    return parseConstraint(text);
  } catch (error) {
    if (error instanceof SwarmError) return error;
    throw error;
  }
}

/** Whether the node meets all; one that does not parse forbids nothing here: the scheduler tells of it. */
export function meetsAll(node: Node, texts: readonly string[]): boolean {
  const constraints = parseConstraints(texts);
  return constraints instanceof SwarmError || constraints.every((constraint) => meets(node, constraint));
}

/** Whether the node meets the constraint. Values are compared without regard to case; a missing label is empty. */
export function meets(node: Node, constraint: Constraint): boolean {
  return matches(node, constraint) === constraint.equal;
}

function matches(node: Node, { key, value }: Constraint): boolean {
  if (key === 'node.ip') return addressMatches(node.status.address, value);
  return property(node, key).toLowerCase() === value.toLowerCase();
}

function property(node: Node, key: string): string {
  const { description, spec } = node;
  switch (key) {
    case 'node.id':
      return node.id;
    case 'node.hostname':
      return description.hostname;
    case 'node.role':
      return node.role === NodeRole.MANAGER ? 'manager' : 'worker';
    case 'node.platform.os':
      return description.platform.os;
    case 'node.platform.arch':
      return normalArchitecture(description.platform.architecture);
  }
  const [prefix, labels] = key.startsWith('node.labels.')
    ? ['node.labels.', spec.labels]
    : ['engine.labels.', description.engine.labels];
  return labels[key.slice(prefix.length)] ?? '';
}

function addressMatches(address: string, value: string): boolean {
  if (!isAddress(address)) return false;
  const own = parseAddress(address);
  if (value.includes('/')) return contains(parseCidr(value), own);
  const wanted = parseAddress(value);
  return own.family === wanted.family && own.value === wanted.value;
}

/** The value of a spread preference (`node.labels.zone`) on this node; empty when it has none. */
export function spreadValue(node: Node, descriptor: string): string {
  return property(node, descriptor);
}

/** OCI's name of an architecture, whichever way a kernel or a user spells it. */
export function normalArchitecture(name: string): string {
  const lower = name.toLowerCase();
  return { x86_64: 'amd64', aarch64: 'arm64', armhf: 'arm', i386: '386', i686: '386' }[lower] ?? lower;
}
