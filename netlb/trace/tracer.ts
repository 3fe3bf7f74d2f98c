/** Asks nodes until a trace is whole. */
import { messageOf } from '../../lib/errors.js';
import { FactBook, Missing, type Want } from './facts.js';
import type { Trace } from './hop.js';
import type { Fact, Query } from './queries.js';
import type { Directory, Question } from './question.js';
import { trace } from './trace.js';

/** Answers in the order of the queries. @throws when the node cannot be asked */
export type Ask = (node: string, queries: readonly Query[]) => Promise<readonly Fact[]>;

/** More rounds than the longest way has questions that follow from each other. */
const MAX_ROUNDS = 400;

/** @returns the trace, and all that it was told from */
export async function traceThrough(
  question: Question,
  directory: Directory,
  ask: Ask,
): Promise<{ readonly trace: Trace; readonly book: FactBook }> {
  const book = new FactBook();
  for (let round = 0; round < MAX_ROUNDS; round++) {
    try {
      return { trace: trace(question, directory, book), book };
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      await Promise.all([...byNode(error.wants)].map(([node, queries]) => fill(book, node, queries, ask)));
    }
  }
  throw new RangeError(`the trace was not whole after ${MAX_ROUNDS} rounds of questions`);
}

function byNode(wants: readonly Want[]): Map<string, Query[]> {
  const nodes = new Map<string, Query[]>();
  for (const { node, query } of wants) nodes.set(node, [...(nodes.get(node) ?? []), query]);
  return nodes;
}

/** A node that cannot be asked is a fact too. */
async function fill(book: FactBook, node: string, queries: readonly Query[], ask: Ask): Promise<void> {
  let facts: readonly Fact[];
  try {
    facts = await ask(node, queries);
  } catch (error) {
    facts = queries.map(() => ({ error: messageOf(error) }));
  }
  for (const [i, query] of queries.entries())
    book.set({ node, query }, facts[i] ?? { error: 'the node did not answer this question' });
}
