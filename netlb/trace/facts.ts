import type { Answers, Fact, Kind, Query, QueryOf } from './queries.js';

/** A question to one node. */
export interface Want {
  /** The node's id. */
  readonly node: string;
  readonly query: Query;
}

/** Thrown where a trace cannot go on before these have been asked. */
export class Missing extends Error {
  readonly wants: readonly Want[];

  constructor(wants: readonly Want[]) {
    super(`${wants.length} facts are missing`);
    this.wants = wants;
  }
}

/** Thrown where a node could not answer. */
export class Unreadable extends Error {
  readonly want: Want;

  constructor(want: Want, reason: string) {
    super(reason);
    this.want = want;
  }
}

/** The snapshots of all nodes concerned: what they answered so far. It can be written down and read back. */
export class FactBook {
  readonly #facts: Map<string, Fact>;

  /** @param recorded as `record` gives it */
  constructor(recorded: readonly (readonly [string, Fact])[] = []) {
    this.#facts = new Map(recorded);
  }

  set({ node, query }: Want, fact: Fact): void {
    this.#facts.set(keyOf(node, query), fact);
  }

  /** @throws Missing, Unreadable */
  get<K extends Kind>(node: string, query: QueryOf<K>): Answers[K] {
    const fact = this.#facts.get(keyOf(node, query as Query)) as Fact<K> | undefined;
    const want = { node, query: query as Query };
    if (fact === undefined) throw new Missing([want]);
    if ('error' in fact) throw new Unreadable(want, fact.error);
    return fact.answer;
  }

  /** Says what will be needed soon, so that it is asked at once. @throws Missing */
  need(node: string, ...queries: readonly Query[]): void {
    this.needOf(queries.map((query) => ({ node, query })));
  }

  /** The same of several nodes. @throws Missing */
  needOf(wants: readonly Want[]): void {
    const missing = wants.filter(({ node, query }) => !this.#facts.has(keyOf(node, query)));
    if (missing.length > 0) throw new Missing(missing);
  }

  record(): (readonly [string, Fact])[] {
    return [...this.#facts];
  }
}

/** The same for the same question, in whatever order its fields are: what has travelled has lost fields that were undefined. */
export const keyOf = (node: string, query: Query): string =>
  `${node} ${JSON.stringify(query, (_name, value: unknown) => (isRecord(value) ? sorted(value) : value))}`;

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const sorted = (record: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
