/** Traces told from answers of real kernels, which test/kernel/trace.test.ts has recorded; each test changes some of them. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { FactBook } from './facts.js';
import type { Hop, Trace } from './hop.js';
import type { Answers, Fact, Kind, Query } from './queries.js';
import type { Directory, Question } from './question.js';
import { trace } from './trace.js';

export interface Recording {
  readonly question: Question;
  readonly directory: Directory;
  readonly facts: readonly (readonly [string, Fact])[];
}

const recording = (name: string): Recording =>
  JSON.parse(readFileSync(fileURLToPath(new URL(`recorded/${name}.json`, import.meta.url)), 'utf8'));
export const taskToTask = recording('task-to-task');
export const outsideToPort = recording('outside-to-port');

/** The query of a recorded fact, and the node that it was put to. */
export function asked(key: string): Query & { readonly node: string } {
  const blank = key.indexOf(' ');
  return { node: key.slice(0, blank), ...(JSON.parse(key.slice(blank + 1)) as Query) };
}

/** Replaces the answers of a kind that `which` picks. */
export function changed<K extends Kind>(
  { facts, ...rest }: Recording,
  kind: K,
  which: Readonly<Record<string, unknown>>,
  change: (answer: Answers[K]) => Answers[K] | Error,
): Recording {
  let count = 0;
  const altered = facts.map(([key, fact]) => {
    const query = asked(key) as Readonly<Record<string, unknown>> & { readonly kind: Kind };
    const fits = query.kind === kind && Object.entries(which).every(([name, value]) => query[name] === value);
    if (!fits || !('answer' in fact)) return [key, fact] as const;
    count++;
    const answer = change(fact.answer as Answers[K]);
    return [key, answer instanceof Error ? { error: answer.message } : { answer }] as const;
  });
  expect(count).toBeGreaterThan(0);
  return { ...rest, facts: altered };
}

export const run = ({ question, directory, facts }: Recording): Trace =>
  trace(question, directory, new FactBook(facts));
export const lost = (given: Recording): string => {
  const { hops, complete } = run(given);
  const hop = hops.find(({ status }) => status === 'broken');
  expect(complete).toBe(false);
  expect(hop).toBe(hops.at(-1));
  return hop ? `${hop.node || '-'} ${hop.owner || hop.namespace || '-'} ${hop.kind}: ${hop.reason}` : '';
};
export const kinds = (hops: readonly Hop[], leg: Hop['leg']) =>
  hops.filter((hop) => hop.leg === leg).map(({ kind }) => kind);
