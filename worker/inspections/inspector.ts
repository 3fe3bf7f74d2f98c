import { yieldToLoop } from '../../lib/async.js';
import { SwarmError } from '../../lib/errors.js';
import type { Fact, Query } from '../../netlb/trace/queries.js';
import type { KernelReader } from '../../netlb/trace/reader.js';
import { KernelAnswer, KernelQuestion, type NodeAnswer, NodeQuestion } from '../../proto/gen/index.js';

/** What a node answers to questions about itself, whoever asks: the managers, or its own daemon. */
export class Inspector {
  readonly #open: () => Promise<KernelReader>;
  #kernel: Promise<KernelReader> | undefined;

  /** @param open called with the first question: most nodes are never asked, and do without its code */
  constructor(open: () => Promise<KernelReader>) {
    this.#open = open;
  }

  /** @throws UNIMPLEMENTED for questions of newer versions */
  async answer({ kernel }: NodeQuestion): Promise<Pick<NodeAnswer, 'kernel'>> {
    if (!kernel)
      throw new SwarmError('UNIMPLEMENTED', 'this node does not understand the question: its tsswarmd is older');
    const queries = kernel.queries.map((text) => JSON.parse(text) as Query);
    const facts = await this.facts(queries);
    return { kernel: KernelAnswer.create({ facts: facts.map((fact) => JSON.stringify(fact)) }) };
  }

  /** One after another: each is short, and others get their turn between them. */
  async facts(queries: readonly Query[]): Promise<readonly Fact[]> {
    const kernel = await this.#reader();
    const facts: Fact[] = [];
    for (const query of queries) {
      if (facts.length > 0) await yieldToLoop();
      facts.push(await kernel.answer(query));
    }
    return facts;
  }

  async close(): Promise<void> {
    (await this.#kernel)?.close();
  }

  /** One that could not be opened is tried again with the next question. */
  #reader(): Promise<KernelReader> {
    this.#kernel ??= this.#open().catch((error: unknown) => {
      this.#kernel = undefined;
      throw error;
    });
    return this.#kernel;
  }
}

export const kernelQuestion = (queries: readonly Query[]): NodeQuestion =>
  NodeQuestion.create({ kernel: KernelQuestion.create({ queries: queries.map((query) => JSON.stringify(query)) }) });

export const kernelFacts = (answer: Pick<NodeAnswer, 'kernel'>): readonly Fact[] =>
  (answer.kernel?.facts ?? []).map((text) => JSON.parse(text) as Fact);
