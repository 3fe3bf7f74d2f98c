import { messageOf } from '../../lib/errors.js';
import { Limiter } from '../../lib/limiter.js';
import { type IngressAnswer, IngressQuestion } from '../../proto/gen/ingress.js';
import { InspectNodeRequest, NodeQuestion } from '../../proto/gen/inspections.js';
import type { Node } from '../../proto/gen/objects.js';
import type { Context } from '../context.js';

/** What the nodes have answered, once. */
export interface Reading {
  /** By node. */
  readonly answers: ReadonlyMap<string, IngressAnswer>;
  /** Those that have not, and why in words. */
  readonly silent: readonly SilentNode[];
}

export interface SilentNode {
  readonly node: Node;
  readonly reason: string;
}

export interface NodeName {
  readonly id: string;
  readonly name: string;
}

/** Milliseconds that a node may take. */
const PATIENCE = 5_000;
/** How many are asked at the same time. */
const AT_ONCE = 32;

export const nodeName = ({ id, description }: Node): string => description.hostname || id;

/** Asks each node what it balances, and what its kernel has counted. What one does not answer is no failure of the others. */
export async function readIngress(context: Context, nodes: readonly Node[]): Promise<Reading> {
  const inspections = await context.inspections();
  const limiter = new Limiter(AT_ONCE);
  const question = NodeQuestion.create({ timeoutMs: PATIENCE, ingress: IngressQuestion.create() });
  const answers = new Map<string, IngressAnswer>();
  const silent: SilentNode[] = [];
  const ask = async (node: Node) => {
    try {
      const { answer } = await inspections.inspectNode(InspectNodeRequest.create({ nodeId: node.id, question }));
      if (answer.ingress) answers.set(node.id, answer.ingress);
      else silent.push({ node, reason: `node ${nodeName(node)} answers another question: its tsswarmd is older` });
    } catch (error) {
      silent.push({ node, reason: messageOf(error) });
    }
  };
  await Promise.all(nodes.map((node) => limiter.run(() => ask(node))));
  return { answers, silent };
}
