import { invalidArgument } from '../errors.js';
import { type Filter, hasLabel, predicate, type Test } from '../filters.js';
import type { Event } from './event.js';

/** Events of one type, by the beginning of their object's id, or its name. */
const ofType =
  (type: string): Test<Event> =>
  (event, value) =>
    event.type === type && isNamed(event.id, event.attributes.name, value);

const isNamed = (id: string | undefined, name: string | undefined, value: string): boolean =>
  name === value || (id?.startsWith(value) ?? false);

/** `busybox:1.36` is of the image `busybox` too. */
const withoutTag = (image: string): string => image.replace(/:[^/:@]*$/, '');

/** Actions that end in words of their own: `exec_create: sh -c …`, `health_status: healthy`. */
const actionOf = ({ action }: Event): string => action.replace(/: .*$/s, '');

const TESTS: Readonly<Record<string, Test<Event>>> = {
  type: (event, value) => event.type === value,
  event: (event, value) => event.action === value || actionOf(event) === value,
  scope: (event, value) => event.scope === value,
  label: ({ attributes }, value) => hasLabel(attributes, value),
  container: (event, value) =>
    ofType('container')(event, value) ||
    (event.type === 'network' && isNamed(event.attributes.container, undefined, value)),
  image: (event, value) => {
    const name = event.type === 'container' ? event.attributes.image : event.attributes.name;
    if (event.type !== 'container' && event.type !== 'image') return false;
    return [event.id, name ?? ''].some((known) => known === value || withoutTag(known) === value);
  },
  network: ofType('network'),
  secret: ofType('secret'),
  config: ofType('config'),
  volume: ofType('volume'),
  service: (event, value) =>
    ofType('service')(event, value) ||
    (event.type === 'task' && isNamed(event.attributes['service.id'], event.attributes.service, value)),
  node: (event, value) =>
    ofType('node')(event, value) ||
    (event.type === 'task' && isNamed(event.attributes['node.id'], event.attributes.node, value)),
  task: ofType('task'),
};

const SCOPES = ['swarm', 'local'];

/**
 * The events that Docker's `--filter` lets through.
 * @throws INVALID_ARGUMENT for a key or scope that is not known, with those that are
 */
export function eventFilter(filters: readonly Filter[]): (event: Event) => boolean {
  const scopes = filters.flatMap(({ key, values }) => (key === 'scope' ? values : []));
  const unknown = scopes.find((scope) => !SCOPES.includes(scope));
  if (unknown !== undefined) {
    throw invalidArgument(`"${unknown}" is not a scope of events`, { value: unknown, hint: 'One of swarm, local.' });
  }
  return predicate(filters, TESTS);
}
