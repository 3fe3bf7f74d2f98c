import { invalidArgument } from '../errors.js';
import type { Event } from './event.js';

type Test = (event: Event, value: string) => boolean;

/** Events of one type, by the beginning of their object's id, or its name. */
const ofType =
  (type: string): Test =>
  (event, value) =>
    event.type === type && isNamed(event.id, event.attributes.name, value);

const isNamed = (id: string | undefined, name: string | undefined, value: string): boolean =>
  name === value || (id?.startsWith(value) ?? false);

/** `busybox:1.36` is of the image `busybox` too. */
const withoutTag = (image: string): string => image.replace(/:[^/:@]*$/, '');

/** Actions that end in words of their own: `exec_create: sh -c …`, `health_status: healthy`. */
const actionOf = ({ action }: Event): string => action.replace(/: .*$/s, '');

const TESTS: Readonly<Record<string, Test>> = {
  type: (event, value) => event.type === value,
  event: (event, value) => event.action === value || actionOf(event) === value,
  scope: (event, value) => event.scope === value,
  label: ({ attributes }, value) => {
    const [key = ''] = value.split('=', 1);
    return Object.hasOwn(attributes, key) && (key === value || attributes[key] === value.slice(key.length + 1));
  },
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
 * The events that Docker's `--filter` lets through: of each key any of the values, of labels all; and all of the keys.
 * @throws INVALID_ARGUMENT for a key that is not known, with those that are
 */
export function eventFilter(
  filters: readonly { readonly key: string; readonly values: readonly string[] }[],
): (event: Event) => boolean {
  const checks = filters.map(({ key, values }) => {
    const test = Object.hasOwn(TESTS, key) ? TESTS[key] : undefined;
    if (!test) {
      const hint = `One of ${Object.keys(TESTS).sort().join(', ')}.`;
      throw invalidArgument(`"${key}" is not a filter of events`, { value: key, hint });
    }
    const scope = key === 'scope' ? values.find((value) => !SCOPES.includes(value)) : undefined;
    if (scope !== undefined) {
      throw invalidArgument(`"${scope}" is not a scope of events`, { value: scope, hint: 'One of swarm, local.' });
    }
    const fits = (event: Event) => (value: string) => test(event, value);
    return (event: Event) => (key === 'label' ? values.every(fits(event)) : values.some(fits(event)));
  });
  return (event) => checks.every((check) => check(event));
}
