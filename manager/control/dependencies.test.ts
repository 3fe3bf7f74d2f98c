import { expect, test } from 'vitest';
import { type Dependency, type ServiceSpec, UpdateServiceRequest } from '../../proto/gen/index.js';
import { context, openControl } from './testing.js';

const on = (...names: string[]): { dependsOn: Dependency[] } => ({
  dependsOn: names.map((name) => {
    const [service = '', condition = ''] = name.split(':');
    return { service, condition };
  }),
});

/** db, a job migrate, and web, which depends on db. */
async function swarm() {
  const opened = await openControl();
  const { control, create, store } = opened;
  const db = await create({ name: 'db' });
  await create({ name: 'migrate', replicated: undefined, replicatedJob: { maxConcurrent: 1, totalCompletions: 1 } });
  const { id } = await create({ name: 'web', ...on('db:healthy') });
  const read = async (ref: string) => (await control.getService({ ref }, context)).service;
  const update = async (ref: string, change: (spec: ServiceSpec) => ServiceSpec) => {
    const service = await read(ref);
    const request = { id: service.id, version: service.meta.version, spec: change(service.spec) };
    return control.updateService(UpdateServiceRequest.create(request), context);
  };
  const setMet = () =>
    store.update((draft) => {
      const service = draft.get('service', id);
      if (service) draft.update('service', { ...service, dependenciesMet: true });
    });
  const isMet = () => store.view().get('service', id)?.dependenciesMet;
  return { ...opened, db, id, read, update, setMet, isMet };
}

test('kept by name, and started unless said otherwise', async () => {
  const { create, db } = await swarm();
  const service = await create({ name: 'api', ...on(db.id, 'migrate:completed') });
  expect(service.spec.dependsOn).toEqual(on('db:started', 'migrate:completed').dependsOn);
});

test.each([
  ['nothing:healthy', 'NOT_FOUND', 'no such service: nothing'],
  ['db:ready', 'INVALID_ARGUMENT', 'service db cannot be waited for to be "ready"'],
  ['db:completed', 'INVALID_ARGUMENT', 'service db never completes: it is no job'],
  ['migrate:healthy', 'INVALID_ARGUMENT', 'service migrate is a job, which does not go on'],
])('%s is refused', async (dependency, code, message) => {
  const { create, update, read } = await swarm();
  await expect(create({ name: 'api', ...on(dependency) })).rejects.toMatchObject({ code, message });
  await expect(update('web', (spec) => ({ ...spec, ...on(dependency) }))).rejects.toMatchObject({ code });
  expect((await read('web')).spec.dependsOn).toEqual(on('db:healthy').dependsOn);
});

test('a service that would wait for itself is refused with the way around', async () => {
  const { create, update } = await swarm();
  await create({ name: 'api', ...on('web:started') });
  await expect(update('db', (spec) => ({ ...spec, ...on('api:started') }))).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: 'service db would wait for itself: db → api → web → db',
  });
  await expect(update('db', (spec) => ({ ...spec, ...on('db:started') }))).rejects.toMatchObject({
    message: 'service db would wait for itself: db → db',
  });
  await expect(create({ name: 'two', ...on('db:started', 'db:healthy') })).rejects.toMatchObject({
    message: 'dependency db is given twice',
  });
});

test('removed while others depend on it - they are named, and can still be updated', async () => {
  const { control, update } = await swarm();
  const warning = 'service web depends on db, which does not exist any more: it is not waited for';
  expect(await control.removeService({ ref: 'db' }, context)).toEqual({ warnings: [warning] });
  const { service, warnings } = await update('web', (spec) => ({ ...spec, replicated: { replicas: 3 } }));
  expect(service.spec.dependsOn).toEqual(on('db:healthy').dependsOn);
  expect(warnings).toEqual([warning]);
  expect((await update('web', (spec) => ({ ...spec, dependsOn: [] }))).warnings).toEqual([]);
});

test('waited for once by each version of the tasks: not when scaled, again with another image, not after going back', async () => {
  const { update, setMet, isMet, read, control } = await swarm();
  expect(isMet()).toBe(false);
  await setMet();
  await update('web', (spec) => ({ ...spec, replicated: { replicas: 5 } }));
  await update('web', (spec) => ({ ...spec, ...on('db:healthy', 'migrate:completed') }));
  expect(isMet()).toBe(true);
  const image = (spec: ServiceSpec): ServiceSpec => {
    return { ...spec, task: { ...spec.task, container: { ...spec.task.container, image: 'web:2' } } };
  };
  await update('web', image);
  expect(isMet()).toBe(false);
  const { id, meta } = await read('web');
  await control.updateService(UpdateServiceRequest.create({ id, version: meta.version, rollback: true }), context);
  expect(isMet()).toBe(true);
});

test('what is added to tasks that run is waited for with their next version', async () => {
  const { update, store, db } = await swarm();
  const isMet = () => store.view().get('service', db.id)?.dependenciesMet;
  await update('db', (spec) => ({ ...spec, ...on('migrate:completed') }));
  expect(isMet()).toBe(true);
  await update('db', (spec) => ({ ...spec, task: { ...spec.task, forceUpdate: 1 } }));
  expect(isMet()).toBe(false);
});
