import { invalidArgument } from '../../lib/errors.js';
import { hasLabel, predicate, type Test } from '../../lib/filters.js';
import { ANONYMOUS_LABEL } from '../../lib/volumes.js';
import type { ContainerFilter, LocalVolume } from '../../proto/gen/index.js';

const isAnonymous = ({ spec }: Pick<LocalVolume, 'spec'>): boolean => Object.hasOwn(spec.labels, ANONYMOUS_LABEL);

const LIST_TESTS: Readonly<Record<string, Test<LocalVolume>>> = {
  name: ({ spec }, value) => spec.name.includes(value),
  label: ({ spec }, value) => hasLabel(spec.labels, value),
  driver: ({ spec }, value) => spec.driver === value,
  dangling: ({ users }, value) => (users.length === 0) === booleanOf('dangling', value),
};

const PRUNE_TESTS: Readonly<Record<string, Test<LocalVolume>>> = {
  label: ({ spec }, value) => hasLabel(spec.labels, value),
  'label!': ({ spec }, value) => !hasLabel(spec.labels, value),
};

/** @throws INVALID_ARGUMENT for a filter that is not known */
export const volumeTest = (filters: readonly ContainerFilter[]) => predicate(filters, LIST_TESTS);

/** What `prune` takes: nothing that a container has, and without `all` only anonymous ones. */
export function pruneTest(filters: readonly ContainerFilter[], all: boolean): (volume: LocalVolume) => boolean {
  const wanted = filters.filter(({ key }) => key === 'all').flatMap(({ values }) => values);
  const everything = all || wanted.some((value) => booleanOf('all', value));
  const fits = predicate(
    filters.filter(({ key }) => key !== 'all'),
    PRUNE_TESTS,
  );
  return (volume) =>
    volume.users.length === 0 && volume.problem === '' && (everything || isAnonymous(volume)) && fits(volume);
}

function booleanOf(key: string, value: string): boolean {
  if (['1', 'true'].includes(value)) return true;
  if (['0', 'false'].includes(value)) return false;
  throw invalidArgument(`invalid filter '${key}=${value}'`, { value, hint: 'It is true or false.' });
}
