import { failedPrecondition, invalidArgument, notFound } from '../../lib/errors.js';

export interface Named {
  readonly id: string;
  readonly name: string;
}

const CANDIDATES = 5;

/**
 * What a person means: by id, by name, or by the beginning of an id, in this order.
 * @param kind for the words: container, network
 * @throws NOT_FOUND, or FAILED_PRECONDITION with the candidates when several fit
 */
export function resolveRef<T extends Named>(kind: string, items: Iterable<T>, ref: string): T {
  const found = findRef(kind, items, ref);
  if (!found) throw notFound(`No such ${kind}: ${ref}`, { value: ref });
  return found;
}

/** @throws FAILED_PRECONDITION with the candidates when several fit */
export function findRef<T extends Named>(kind: string, items: Iterable<T>, ref: string): T | undefined {
  if (ref === '') throw invalidArgument(`which ${kind}? neither an id nor a name was given`);
  const all = [...items];
  const wanted = ref.startsWith('/') ? ref.slice(1) : ref;
  const tests: ((item: T) => boolean)[] = [
    ({ id }) => id === wanted,
    ({ name }) => name === wanted,
    ({ id }) => id.startsWith(wanted),
  ];
  for (const test of tests) {
    const found = all.filter(test);
    if (found.length > 1) throw ambiguous(kind, ref, found);
    if (found[0]) return found[0];
  }
  return undefined;
}

function ambiguous(kind: string, ref: string, found: readonly Named[]) {
  const listed = found.slice(0, CANDIDATES).map(({ id, name }) => `${id.slice(0, 12)} (${name})`);
  const more = found.length > CANDIDATES ? ', and more' : '';
  return failedPrecondition(`${kind} "${ref}" is ambiguous: it can be ${listed.join(', ')}${more}`, {
    value: ref,
    hint: 'Give the name, or more of the id.',
  });
}
