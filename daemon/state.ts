import { existsSync } from 'node:fs';
import { chmod, readFile } from 'node:fs/promises';
import path from 'node:path';
import { errnoOf, internal } from '../lib/errors.js';
import { NodeProblem } from '../proto/gen/index.js';
import type { NodeCredential } from '../proto/rpc/credentials.js';
import { removeDurably, writeFileAtomic } from './files.js';
import { identityFault, type StoredIdentity } from './identity-file.js';

/** What a node must remember to be the same node after a restart. */
export interface NodeState {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly role: 'manager' | 'worker';
  /** 32 bytes in hex: what the node proves itself with. */
  readonly credential: string;
  /** host:port at which others reach this node's control plane. */
  readonly advertiseAddress: string;
  readonly listenAddress: string;
  readonly dataPathAddress: string;
  readonly dataPathPort: number;
  /** host:port of the managers, newest list. */
  readonly managers: readonly string[];
  /** The interface that had the advertised address when the node joined. */
  readonly interface?: string;
  /** On a manager: its place in the group. */
  readonly manager?: StoredIdentity;
}

/** By which the node proves itself to managers. */
export function credentialOf(state: NodeState): NodeCredential {
  return { nodeId: state.nodeId, secret: Buffer.from(state.credential, 'hex') };
}

/** The node's state on disk: `node.json` in the data root, readable by root alone. */
export class NodeStateFile {
  readonly #file: string;

  constructor(dataRoot: string) {
    this.#file = path.join(dataRoot, 'node.json');
  }

  /**
   * Undefined when this machine is in no swarm.
   * @throws INTERNAL when the file is damaged: going on without it would make another node of this one
   */
  async load(): Promise<NodeState | undefined> {
    let text: string;
    try {
      text = await readFile(this.#file, 'utf8');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
    await chmod(this.#file, 0o600);
    return parseNodeState(text, this.#file);
  }

  /** What else of a member is there although the file is not: it was lost, or an init, join or leave broke off. */
  remains(): readonly NodeProblem[] {
    const root = path.dirname(this.#file);
    const folders = ['manager', 'worker'].map((name) => path.join(root, name)).filter(existsSync);
    if (folders.length === 0) return [];
    const message =
      `it is missing, so this machine is in no swarm, but ${folders.join(' and ')} of one that it was in ${folders.length > 1 ? 'are' : 'is'} there: ` +
      'restore the file from a backup and restart tsswarmd to be the same node again; "tsswarm join" or "init" makes a new one and deletes them';
    return [NodeProblem.create({ subject: this.#file, message })];
  }

  /** Durable when it resolves; a crash leaves the old state or the new one. */
  save(state: NodeState): Promise<void> {
    return writeFileAtomic(this.#file, `${JSON.stringify(state, undefined, 2)}\n`, 0o600);
  }

  remove(): Promise<void> {
    return removeDurably(this.#file);
  }
}

/** @throws INTERNAL that names the file and what is wrong with it */
export function parseNodeState(text: string, file: string): NodeState {
  const damaged = (what: string) =>
    internal(`${file} is damaged: ${what}`, {
      hint:
        'Restore it from a backup. Else remove this node from the swarm on another manager ("tsswarm node rm --force"), delete ' +
        'the file and join anew.',
    });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw damaged(error instanceof Error ? error.message : String(error));
  }
  if (typeof parsed !== 'object' || parsed === null) throw damaged('it holds no object');
  const state = parsed as Record<keyof NodeState, unknown>;
  for (const key of [
    'nodeId',
    'clusterId',
    'credential',
    'advertiseAddress',
    'listenAddress',
    'dataPathAddress',
  ] as const) {
    if (typeof state[key] !== 'string') throw damaged(`"${key}" is missing`);
  }
  if (state.role !== 'manager' && state.role !== 'worker') throw damaged(`"role" is ${JSON.stringify(state.role)}`);
  if (typeof state.dataPathPort !== 'number') throw damaged('"dataPathPort" is missing');
  if (!Array.isArray(state.managers) || !state.managers.every((m) => typeof m === 'string'))
    throw damaged('"managers" is missing');
  const fault = state.role === 'manager' ? identityFault(state.manager) : undefined;
  if (fault !== undefined) throw damaged(fault);
  return parsed as NodeState;
}
