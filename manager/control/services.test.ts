import { describe, expect, test } from 'vitest';
import {
  Autoscale,
  AutoscaleStatus,
  ContainerSpec,
  type Filter,
  NetworkAttachmentConfig,
  NetworkSpec,
  PortConfig,
  PublishMode,
  ResourceRequirements,
  Schedule,
  Service,
  type ServiceSpec,
  TaskSpec,
  TaskState,
  UpdateConfig,
  UpdateOrder,
  UpdateServiceRequest,
  UpdateState,
} from '../../proto/gen/index.js';
import { addTask, context, filter, openControl, specOf } from './testing.js';

describe('services', () => {
  test('create - shows the service with networks by id, and never the registry credentials', async () => {
    const { store, control, create } = await openControl();
    const { network } = await control.createNetwork({ spec: NetworkSpec.create({ name: 'back' }) }, context);
    const container = ContainerSpec.create({ image: 'web:1', registryAuth: 'secret' });
    const networks = [NetworkAttachmentConfig.create({ target: 'back' })];
    const service = await create({ task: TaskSpec.create({ container, networks }) });
    expect(service.spec.task.networks[0]?.target).toBe(network.id);
    expect(service.spec.task.container.registryAuth).toBe('');
    expect(store.view().get('service', service.id)?.spec.task.container.registryAuth).toBe('secret');
    expect(service.specVersion).toBe(service.meta.version);
  });

  test('create - a name that is taken is ALREADY_EXISTS', async () => {
    const { create } = await openControl();
    const { id } = await create();
    await expect(create()).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
      message: `a service named "web" already exists (${id})`,
    });
  });

  test.each([
    [{ networks: ['nope'] }, 'no such network: nope'],
    [{ networks: ['none'] }, 'services cannot use the network "none" in this version'],
    [{ networks: ['host'] }, 'services cannot use the network "host" in this version'],
    [{ networks: ['ingress'] }, 'a service cannot be attached to the ingress network ingress'],
    [{ networks: ['back', 'back'] }, 'network back is given twice'],
  ])('create - networks %j: %s', async (fields, message) => {
    const { control, create } = await openControl();
    await control.createNetwork({ spec: NetworkSpec.create({ name: 'back' }) }, context);
    await expect(create(fields)).rejects.toMatchObject({ message });
  });

  test('ports - one that another service publishes is refused, with its name', async () => {
    const { create } = await openControl();
    const { id } = await create({ ports: [{ publishedPort: 8080 }] });
    await expect(create({ name: 'b', ports: [{ publishedPort: 8080 }] })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: `port '8080/tcp' is already in use by service 'web' (${id}) as an ingress port`,
    });
    await create({ name: 'udp', ports: [{ publishedPort: 8080, protocol: 1 }] });
  });

  test('ports - host mode collides with ingress, not with host mode', async () => {
    const { create } = await openControl();
    const { id } = await create({ ports: [{ publishedPort: 53, publishMode: PublishMode.HOST }] });
    await expect(create({ name: 'c', ports: [{ publishedPort: 53 }] })).rejects.toThrow(
      `port '53/tcp' is already in use by service 'web' (${id}) as a host-published port`,
    );
    await create({ name: 'b', ports: [{ publishedPort: 53, publishMode: PublishMode.HOST }] });
  });

  test('ports - two services share one on different addresses, not with one on all', async () => {
    const { create } = await openControl();
    const { id } = await create({ ports: [{ publishedPort: 80, hostIp: '203.0.113.1' }] });
    await create({ name: 'b', ports: [{ publishedPort: 80, hostIp: '203.0.113.2' }] });
    const same = create({ name: 'c', ports: [{ publishedPort: 80, hostIp: '203.0.113.1' }] });
    await expect(same).rejects.toThrow(`port '203.0.113.1:80/tcp' is already in use by service 'web' (${id})`);
    // Whichever of the two is found first is named.
    const six = await create({ name: 'six', ports: [{ publishedPort: 81, hostIp: 'FD00:0::1' }] });
    expect(six.spec.endpoint.ports[0]?.hostIp).toBe('fd00::1');
    await expect(create({ name: 'e', ports: [{ publishedPort: 81, hostIp: 'fd00:0:0::1' }] })).rejects.toThrow('81');
    for (const hostIp of ['', '0.0.0.0'])
      await expect(create({ name: 'd', ports: [{ publishedPort: 80, hostIp }] })).rejects.toThrow(
        /is already in use by service '(web|b)' \(\w+\) as an ingress port \(203\.0\.113\.[12]:80\/tcp\)/,
      );
  });

  test('ports - a range to choose from must be free of what all nodes publish', async () => {
    const { create } = await openControl();
    const range = { publishedPort: 8080, publishedLast: 8089, publishMode: PublishMode.HOST };
    await create({ ports: [range, { ...range, targetPort: 81 }] });
    await expect(create({ name: 'b', ports: [{ publishedPort: 8085 }] })).rejects.toThrow(
      "port '8085/tcp' is already in use by service 'web'",
    );
    await create({ name: 'c', ports: [{ publishedPort: 8090 }] });
  });

  test.each<[Partial<PortConfig>, string]>([
    [{ publishedPort: 2377 }, "port '2377/tcp' is the swarm's own: its managers answer there"],
    [{ publishedPort: 2377, publishMode: PublishMode.HOST }, "port '2377/tcp' is the swarm's own"],
    [
      { publishedPort: 2000, publishedLast: 3000, publishMode: PublishMode.HOST },
      "port '2000-3000/tcp' is the swarm's own",
    ],
    [{ publishedPort: 4789, protocol: 1 }, "port '4789/udp' is the swarm's own: overlay networks use it"],
  ])('ports - %j would cut the swarm off', async (port, message) => {
    const { create } = await openControl();
    await expect(create({ ports: [port] })).rejects.toThrow(message);
  });

  test('ports - start-first is refused where a node would have a port twice, and warned of where it may', async () => {
    const { control } = await openControl();
    const update = UpdateConfig.create({ order: UpdateOrder.START_FIRST });
    const port = { publishedPort: 8080, publishMode: PublishMode.HOST };
    const asked = (fields: Parameters<typeof specOf>[0]) =>
      control.createService({ spec: specOf({ update, ...fields }) }, context);
    await expect(asked({ ports: [port], replicated: undefined, global: {} })).rejects.toThrow(
      "a global service with the host-mode port 8080/tcp cannot start a node's new task before the old one has stopped",
    );
    expect((await asked({ ports: [port] })).warnings).toEqual([
      expect.stringContaining('a node has the host-mode port 8080/tcp once'),
    ]);
    const range = { ...port, publishedPort: 9000, publishedLast: 9009 };
    expect((await asked({ name: 'b', ports: [range], replicated: undefined, global: {} })).warnings).toEqual([]);
  });

  test('create - what is not supported is refused, what is passed over is told', async () => {
    const { control, create } = await openControl();
    const task = (fields: Partial<TaskSpec>) =>
      TaskSpec.create({ container: ContainerSpec.create({ image: 'web:1' }), ...fields });
    const isolated = task({ container: ContainerSpec.create({ image: 'web:1', isolation: 'hyperv' }) });
    await expect(create({ task: isolated })).rejects.toMatchObject({ code: 'UNIMPLEMENTED' });
    const resources = ResourceRequirements.create({ memorySwappiness: 10 });
    const { service, warnings } = await control.createService({ spec: specOf({ task: task({ resources }) }) }, context);
    expect(warnings).toEqual([expect.stringContaining('memory swappiness is set only on nodes')]);
    const request = UpdateServiceRequest.create({ id: service.id, version: service.meta.version });
    const update = control.updateService({ ...request, spec: specOf({ task: isolated }) }, context);
    await expect(update).rejects.toMatchObject({ code: 'UNIMPLEMENTED' });
  });

  test('create - a spec of which a task would not fit into the log is refused', async () => {
    const { create } = await openControl();
    const container = ContainerSpec.create({ image: 'web:1', env: [`A=${'x'.repeat(600 * 1024)}`] });
    await expect(create({ task: TaskSpec.create({ container }) })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('the service is too large'),
    });
  });

  test('ports - one that the allocator gave to another service is taken too', async () => {
    const { store, create } = await openControl();
    const { id } = await create({ ports: [{ publishedPort: 0 }] });
    await store.update((draft) => {
      const service = draft.get('service', id) ?? Service.create();
      const ports = [PortConfig.create({ targetPort: 80, publishedPort: 30000 })];
      draft.update('service', { ...service, endpoint: { ...service.endpoint, ports } });
    });
    await expect(create({ name: 'b', ports: [{ publishedPort: 30000 }] })).rejects.toThrow("by service 'web'");
  });

  test('update - keeps the old spec, gives a new spec version, ends the running update', async () => {
    const { store, control, create } = await openControl();
    const before = await create();
    const spec = specOf({ replicated: { replicas: 3 } });
    const request = UpdateServiceRequest.create({ id: before.id, version: before.meta.version, spec });
    const { service } = await control.updateService(request, context);
    expect(service).toMatchObject({ spec, previousSpec: before.spec, previousSpecVersion: before.specVersion });
    expect(service.specVersion).toBeGreaterThan(before.specVersion);
    await expect(control.updateService(request, context)).rejects.toMatchObject({ code: 'ABORTED' });
    const version = store.view().version;
    await control.updateService({ ...request, version: service.meta.version }, context);
    expect(store.view().version).toBe(version);
  });

  test('update - stored registry credentials stay when the spec comes back without them', async () => {
    const { store, control, create } = await openControl();
    const container = ContainerSpec.create({ image: 'web:1', registryAuth: 'secret' });
    const service = await create({ task: TaskSpec.create({ container }) });
    const spec = { ...service.spec, labels: { a: 'b' } };
    await control.updateService(
      UpdateServiceRequest.create({ id: service.id, version: service.meta.version, spec }),
      context,
    );
    expect(store.view().get('service', service.id)?.spec.task.container.registryAuth).toBe('secret');
  });

  test.each([
    [{ name: 'other' }, 'service web cannot be renamed to "other"'],
    [{ replicated: undefined, global: {} }, 'the mode of service web cannot be changed from replicated to global'],
  ])('update - %j is refused', async (fields, message) => {
    const { control, create } = await openControl();
    const { id, meta } = await create();
    const request = UpdateServiceRequest.create({ id, version: meta.version, spec: specOf(fields) });
    await expect(control.updateService(request, context)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', message });
  });

  test('rollback - goes back to the previous spec; without one it is refused', async () => {
    const { control, create } = await openControl();
    const first = await create();
    const rollback = (version: number) =>
      control.updateService(UpdateServiceRequest.create({ id: first.id, version, rollback: true }), context);
    await expect(rollback(first.meta.version)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    const spec = specOf({ replicated: { replicas: 3 } });
    const second = await control.updateService(
      UpdateServiceRequest.create({ id: first.id, version: first.meta.version, spec }),
      context,
    );
    const { service } = await rollback(second.service.meta.version);
    expect(service).toMatchObject({ spec: first.spec, previousSpec: spec });
    expect(service.updateStatus?.state).toBe(UpdateState.ROLLBACK_STARTED);
  });

  test('autoscale - a number of tasks is set within the range, and a rollback keeps what the load has made of it', async () => {
    const { store, control, create } = await openControl();
    const autoscale = Autoscale.create({ min: 2, max: 8, cpuPercent: 60 });
    const first = await create({ replicated: { replicas: 2 }, autoscale });
    const status = AutoscaleStatus.create({ message: 'at its least' });
    const scaleByLoad = (replicas: number) =>
      store.update((draft) => {
        const service = draft.get('service', first.id) ?? Service.create();
        const spec = { ...service.spec, replicated: { replicas } };
        draft.update('service', { ...service, spec, autoscaleStatus: status });
      });
    const current = () => store.view().get('service', first.id) ?? Service.create();
    const update = (spec: ServiceSpec | undefined) =>
      control.updateService(
        UpdateServiceRequest.create({ id: first.id, version: current().meta.version, spec, rollback: !spec }),
        context,
      );
    await expect(update(specOf({ replicated: { replicas: 9 }, autoscale }))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'service web has 2 to 8 tasks as its load asks for, and not 9',
    });
    await scaleByLoad(4);
    await update({ ...current().spec, labels: { a: 'b' } });
    expect(current()).toMatchObject({ spec: { replicated: { replicas: 4 } }, autoscaleStatus: status });
    await scaleByLoad(7);
    const { service } = await update(undefined);
    expect(service).toMatchObject({ spec: { labels: {}, replicated: { replicas: 7 } }, autoscaleStatus: status });
    await update({ ...service.spec, autoscale: undefined, replicated: { replicas: 3 } });
    expect(current().autoscaleStatus).toBeUndefined();
    // Back to the range, from a number that is none of the load's.
    expect((await update(undefined)).service.spec.replicated).toEqual({ replicas: 3 });
  });

  const job = { replicated: undefined, replicatedJob: { maxConcurrent: 1, totalCompletions: 1 } };
  const nightly = (fields: Partial<Schedule> = {}) => Schedule.create({ cron: '0 2 * * *', ...fields });

  test('jobs - one without a schedule runs at once, and with each change and rollback', async () => {
    const { control, create, clock } = await openControl();
    const first = await create(job);
    const begun = clock.now();
    expect(first.jobStatus).toMatchObject({ iteration: 0, lastExecution: begun, runs: [{ iteration: 0, dueAt: 0 }] });
    await clock.advance(5_000);
    const spec = { ...specOf(job), labels: { a: 'b' } };
    const change = { id: first.id, version: first.meta.version, spec };
    const { service: second } = await control.updateService(UpdateServiceRequest.create(change), context);
    expect(second.jobStatus).toMatchObject({
      iteration: 1,
      lastExecution: begun + 5_000,
      runs: [{ iteration: 1 }],
      lastOutcome: { iteration: 0, completed: 0, message: 'another run took its place' },
    });
    const rollback = { id: first.id, version: second.meta.version, rollback: true };
    const { service: third } = await control.updateService(UpdateServiceRequest.create(rollback), context);
    expect(third).toMatchObject({ updateStatus: undefined, jobStatus: { iteration: 2, runs: [{ iteration: 2 }] } });
  });

  test('jobs - one with a schedule waits for its time, also when it is changed or rolled back', async () => {
    const { control, create } = await openControl();
    const first = await create({ ...job, schedule: nightly() });
    const two = 2 * 3_600_000;
    expect(first.jobStatus).toMatchObject({ iteration: 0, lastExecution: 0, runs: [], nextExecution: two });
    const update = async (version: number, more: Partial<UpdateServiceRequest>) =>
      (await control.updateService(UpdateServiceRequest.create({ id: first.id, version, ...more }), context)).service;
    const later = { ...first.spec, schedule: nightly({ timeZone: 'America/New_York' }) };
    const second = await update(first.meta.version, { spec: later });
    expect(second.jobStatus).toMatchObject({ iteration: 0, nextExecution: 7 * 3_600_000 });
    const third = await update(second.meta.version, { rollback: true });
    expect(third.jobStatus).toMatchObject({ iteration: 0, runs: [], nextExecution: two });
    const forced = { ...third.spec, task: { ...third.spec.task, forceUpdate: 1 } };
    const fourth = await update(third.meta.version, { spec: forced });
    expect(fourth.jobStatus).toMatchObject({ iteration: 1, runs: [{ iteration: 1, dueAt: 0 }], nextExecution: two });
  });

  test.each([
    [{ ...job, schedule: nightly({ cron: '0 25 * * *' }) }, '"0 25 * * *" is not a schedule'],
    [{ ...job, schedule: nightly({ timeZone: 'Mars' }) }, 'there is no time zone "Mars"'],
    [{ schedule: nightly() }, 'a schedule is for jobs, not for a replicated service'],
  ])('jobs - %j is refused', async (fields, message) => {
    const { create } = await openControl();
    await expect(create(fields)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    });
  });

  test('list - filters and counts', async () => {
    const { store, control, create } = await openControl();
    const web = await create({ labels: { tier: 'front' }, replicated: { replicas: 2 } });
    await create({ name: 'agent', replicated: undefined, global: {} });
    await addTask(store, { serviceId: web.id });
    await addTask(store, { serviceId: web.id, desiredState: TaskState.SHUTDOWN });
    const list = async (...filters: Filter[]) =>
      (await control.listServices({ filters }, context)).services.map((s) => s.spec.name);
    expect(await list(filter('label', 'tier=front'))).toEqual(['web']);
    expect(await list(filter('label', 'tier=back'))).toEqual([]);
    expect(await list(filter('mode', 'global'))).toEqual(['agent']);
    expect(await list(filter('name', 'w', 'a'))).toHaveLength(2);
    expect((await control.listServices({ filters: [filter('name', 'web')] }, context)).counts).toEqual([
      { running: 1, desired: 2, completed: 0 },
    ]);
    await expect(list(filter('color', 'red'))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      hint: 'One of id, label, mode, name.',
    });
    await expect(list(filter('mode', 'many'))).rejects.toThrow('"many" is not a value of the filter "mode"');
  });

  test('remove - by name; unknown is NOT_FOUND', async () => {
    const { store, control, create } = await openControl();
    await create();
    await control.removeService({ ref: 'web' }, context);
    expect(store.view().count('service')).toBe(0);
    await expect(control.removeService({ ref: 'web' }, context)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'no such service: web',
    });
  });
});
