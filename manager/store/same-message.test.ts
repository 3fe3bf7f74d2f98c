import { expect, test } from 'vitest';
import {
  ContainerSpec,
  NetworkAttachmentConfig,
  Service,
  ServiceSpec,
  TaskSpec,
  UpdateConfig,
} from '../../proto/gen/index.js';
import { encodeObject } from './codec.js';
import { sameMessage } from './same-message.js';
import type { ObjectTypes } from './store.js';

type ServiceObject = ObjectTypes['service'];
type Path = readonly (string | number)[];

/** With fields of each kind: text, numbers of both widths, bytes, lists, maps, messages that are there and that are not. */
const service = Service.decode(
  Service.encode(
    Service.create({
      id: 'web',
      meta: { version: 7, createdAt: 1, updatedAt: 2 ** 40, changeId: '' },
      spec: ServiceSpec.create({
        name: 'web',
        labels: { tier: 'front', zone: 'a' },
        task: TaskSpec.create({
          container: ContainerSpec.create({ image: 'web:1', env: ['A=1', 'B=2'] }),
          networks: [NetworkAttachmentConfig.create({ target: 'n1', aliases: ['w'] })],
        }),
        update: UpdateConfig.create({ parallelism: 1, delay: 5_000, maxFailureRatio: 0.25 }),
      }),
    }),
  ),
);

const byEncoding = (a: ServiceObject, b: ServiceObject) =>
  Buffer.compare(encodeObject('service', a), encodeObject('service', b)) === 0;

/** Everything that is in a value, as paths to it. */
function* pathsOf(value: unknown, path: Path = []): Generator<Path> {
  if (path.length > 0) yield path;
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return;
  for (const [key, part] of Object.entries(value))
    yield* pathsOf(part, [...path, Array.isArray(value) ? Number(key) : key]);
}

/** A copy of which what is at the path is another value; shares all that is not on the path. */
function changed<T>(value: T, [key, ...rest]: Path, to: (old: unknown) => unknown): T {
  if (key === undefined) return to(value) as T;
  const copy = (Array.isArray(value) ? [...value] : { ...value }) as Record<string | number, unknown>;
  copy[key] = changed(copy[key], rest, to);
  return copy as T;
}

/** Other values of the same type as what stands there, some of which the encoding cannot tell from it. */
function othersOf(old: unknown): readonly unknown[] {
  if (typeof old === 'string') return [`${old}x`, ''];
  if (typeof old === 'number') return Number.isInteger(old) ? [old + 1, 0, 2 ** 30 + old] : [old + 1e-12, old + 0.5, 0];
  if (typeof old === 'boolean') return [!old];
  if (Array.isArray(old)) return [[], [...old], [...old, ...old]];
  return [structuredClone(old)];
}

test('same message - agrees with the encoding wherever two objects differ', () => {
  let equal = 0;
  let different = 0;
  for (const path of pathsOf(service)) {
    let old: unknown;
    changed(service, path, (value) => {
      old = value;
      return value;
    });
    for (const other of othersOf(old)) {
      const edited = changed(service, path, () => other);
      const same = sameMessage('service', service, edited);
      expect(same, `${path.join('.')}: ${JSON.stringify(other)}`).toBe(byEncoding(service, edited));
      if (same) equal++;
      else different++;
    }
  }
  expect(equal).toBeGreaterThan(20);
  expect(different).toBeGreaterThan(20);
});

test('same message - an equal object that shares nothing with the stored one is the same', () => {
  expect(sameMessage('service', service, structuredClone(service))).toBe(true);
});

test('same message - fields and entries of maps in another order are compared as they are encoded', () => {
  const labels = Object.fromEntries(Object.entries(service.spec.labels).reverse());
  const reordered = { ...service, spec: { ...service.spec, labels } };
  expect(sameMessage('service', service, reordered)).toBe(byEncoding(service, reordered));
  const { spec, id, ...rest } = service;
  expect(sameMessage('service', service, { ...rest, spec, id } as ServiceObject)).toBe(true);
});

test('same message - a message that is not there differs from an empty one', () => {
  const without = { ...service, spec: { ...service.spec, update: undefined } };
  expect(sameMessage('service', service, without)).toBe(false);
  expect(sameMessage('service', without, { ...without, spec: { ...without.spec } })).toBe(true);
});
