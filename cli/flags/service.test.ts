import { describe, expect, it } from 'vitest';
import {
  EndpointMode,
  FailureAction,
  NetworkAttachmentConfig,
  PortConfig,
  RestartCondition,
  type ServiceSpec,
  UpdateOrder,
} from '../../proto/gen/specs.js';
import type { FlagSources } from './container.js';
import { Flags } from './flags.js';
import { applyServiceFlags, createSpec, networkNames, withTag } from './service.js';

const sources: FlagSources = { env: { HOME: '/root' }, envFiles: [], networkIds: new Map([['back', 'id-of-back']]) };
const create = (flags: Record<string, unknown> = {}, args: string[] = []): ServiceSpec =>
  createSpec('web', args, new Flags(flags), sources);
const update = (spec: ServiceSpec, flags: Record<string, unknown>): ServiceSpec =>
  applyServiceFlags(spec, new Flags(flags), sources);

describe('withTag', () => {
  it.each([
    ['web', 'web:latest'],
    ['web:1', 'web:1'],
    ['localhost:5000/web', 'localhost:5000/web:latest'],
    ['web@sha256:00', 'web@sha256:00'],
  ])('%s → %s', (name, tagged) => {
    expect(withTag(name)).toBe(tagged);
  });
});

describe('createSpec', () => {
  it('is one replica when nothing is said', () => {
    const spec = create();
    expect(spec.replicated).toEqual({ replicas: 1 });
    expect(spec.task.container.image).toBe('web:latest');
    expect(spec.update).toBeUndefined();
    expect(spec.task.container.stopGracePeriod).toBeUndefined();
  });

  it('maps the flags of a process', () => {
    const { container } = create(
      {
        env: ['A=1', 'HOME'],
        containerLabel: ['c=d'],
        hostname: '{{.Node.Hostname}}',
        user: 'app:app',
        workdir: '/app',
        group: ['audio'],
        tty: true,
        init: true,
        readOnly: true,
        stopSignal: 'SIGINT',
        stopGracePeriod: '1m',
        entrypoint: '/bin/sh -c',
        capAdd: ['net_admin'],
        capDrop: ['ALL'],
        host: ['db:10.0.0.5'],
        dns: ['1.1.1.1'],
        dnsSearch: ['example.com'],
        dnsOption: ['ndots:1'],
        sysctl: ['net.core.somaxconn=1024'],
        device: ['/dev/fuse:rw'],
        ulimit: ['nofile=1024:2048'],
        mount: ['type=tmpfs,target=/tmp'],
        oomScoreAdj: '-500',
        healthCmd: 'true',
        healthInterval: '5s',
        healthRetries: '3',
      },
      ['httpd', '-f'],
    ).task;
    expect(container).toMatchObject({
      args: ['httpd', '-f'],
      env: ['A=1', 'HOME=/root'],
      labels: { c: 'd' },
      hostname: '{{.Node.Hostname}}',
      user: 'app:app',
      dir: '/app',
      groups: ['audio'],
      tty: true,
      init: true,
      readOnly: true,
      stopSignal: 'SIGINT',
      stopGracePeriod: 60e9,
      entrypoint: ['/bin/sh', '-c'],
      capabilityAdd: ['CAP_NET_ADMIN'],
      capabilityDrop: ['ALL'],
      hosts: ['10.0.0.5 db'],
      dns: { nameservers: ['1.1.1.1'], search: ['example.com'], options: ['ndots:1'] },
      sysctls: { 'net.core.somaxconn': '1024' },
      devices: [{ hostPath: '/dev/fuse', containerPath: '/dev/fuse', permissions: 'rw' }],
      ulimits: [{ name: 'nofile', soft: 1024, hard: 2048 }],
      oomScoreAdj: -500,
      healthcheck: { test: ['CMD-SHELL', 'true'], interval: 5e9, retries: 3 },
    });
    expect(container.mounts).toHaveLength(1);
  });

  it('maps resources, placement, restart, updates, endpoint and networks', () => {
    const spec = create({
      name: 'web',
      label: ['a=b'],
      replicas: '5',
      limitCpu: '0.5',
      limitMemory: '64m',
      limitPids: '100',
      reserveCpu: '0.25',
      reserveMemory: '16m',
      genericResource: ['gpu=1'],
      memorySwap: '-1',
      memorySwappiness: '0',
      constraint: ['node.role==worker'],
      placementPref: ['spread=node.labels.zone'],
      replicasMaxPerNode: '2',
      restartCondition: 'on-failure',
      restartDelay: '0',
      restartMaxAttempts: '3',
      restartWindow: '1m',
      updateParallelism: '0',
      updateDelay: '1s',
      updateFailureAction: 'rollback',
      updateMaxFailureRatio: '0.25',
      updateOrder: 'start-first',
      rollbackMonitor: '2s',
      endpointMode: 'dnsrr',
      publish: ['8080:80'],
      network: ['name=back,alias=www'],
      logDriver: 'json-file',
      logOpt: ['max-size=1m'],
    });
    expect(spec).toMatchObject({
      name: 'web',
      labels: { a: 'b' },
      replicated: { replicas: 5 },
      update: {
        parallelism: 0,
        delay: 1e9,
        failureAction: FailureAction.ROLLBACK,
        monitor: undefined,
        maxFailureRatio: 0.25,
        order: UpdateOrder.START_FIRST,
      },
      rollback: { parallelism: 1, monitor: 2e9 },
      endpoint: { mode: EndpointMode.DNSRR, ports: [PortConfig.create({ publishedPort: 8080, targetPort: 80 })] },
    });
    expect(spec.task).toMatchObject({
      resources: {
        limits: { nanoCpus: 5e8, memoryBytes: 64 << 20, pids: 100 },
        reservations: { nanoCpus: 25e7, memoryBytes: 16 << 20, generic: [{ kind: 'gpu', value: 1 }] },
        memorySwapBytes: -1,
        memorySwappiness: 0,
      },
      restart: { condition: RestartCondition.ON_FAILURE, delay: 0, maxAttempts: 3, window: 60e9 },
      placement: {
        constraints: ['node.role==worker'],
        preferences: [{ spread: 'node.labels.zone' }],
        maxReplicas: 2,
      },
      networks: [NetworkAttachmentConfig.create({ target: 'id-of-back', aliases: ['www'] })],
      logDriver: { name: 'json-file', options: { 'max-size': '1m' } },
    });
  });

  it('knows the modes', () => {
    expect(create({ mode: 'global' })).toMatchObject({ global: {}, replicated: undefined });
    expect(create({ mode: 'global-job' })).toMatchObject({ globalJob: {} });
    expect(create({ mode: 'replicated-job', replicas: '4' })).toMatchObject({
      replicatedJob: { totalCompletions: 4, maxConcurrent: 4 },
    });
    expect(create({ mode: 'replicated-job', replicas: '4', maxConcurrent: '2' })).toMatchObject({
      replicatedJob: { totalCompletions: 4, maxConcurrent: 2 },
    });
  });

  it.each([
    [{ mode: 'many' }, 'invalid argument "many" for "--mode" flag: must be one of replicated, global'],
    [{ mode: 'global', replicas: '2' }, '--replicas can only be used with replicated'],
    [{ maxConcurrent: '2' }, '--max-concurrent cannot be used with --mode replicated'],
    [{ mode: 'global-job', updateDelay: '1s' }, '--update-delay cannot be used with a job'],
    [{ mode: 'replicated-job', rollbackOrder: 'start-first' }, '--rollback-order cannot be used with a job'],
    [{ mode: 'global-job', replicas: '2' }, '--replicas can only be used with replicated or replicated-job mode'],
    [{ schedule: '@daily' }, '--schedule can only be used with a job'],
    [{ mode: 'global', scheduleOverlap: 'skip' }, '--schedule-overlap can only be used with a job'],
    [{ mode: 'global-job', scheduleTimeZone: 'UTC' }, '--schedule-time-zone cannot be used without a schedule'],
    [
      { mode: 'global-job', schedule: '', scheduleMissedWindow: '1m' },
      '--schedule-missed-window cannot be used without a schedule',
    ],
    [{ mode: 'global-job', schedule: '@daily', scheduleOverlap: 'queue' }, 'must be one of allow, skip, replace'],
    [
      { mode: 'global-job', schedule: '@daily', scheduleMissedWindow: 'soon' },
      'invalid argument "soon" for "--schedule-missed-window" flag',
    ],
    [{ healthcheck: false, healthCmd: 'x' }, '--no-healthcheck conflicts with --health-cmd'],
    [{ dependsOn: ['db:up'] }, 'invalid argument "db:up" for "--depends-on" flag'],
    [{ dependsOn: [':healthy'] }, 'invalid argument ":healthy" for "--depends-on" flag'],
    [{ constraint: ['node.role'] }, 'invalid argument "node.role" for "--constraint" flag'],
    [{ publish: ['x:80'] }, 'invalid argument "x:80" for "--publish" flag: "x" is not a port'],
    [{ rollbackFailureAction: 'rollback' }, 'must be one of pause, continue'],
    [{ limitMemory: '1x' }, 'invalid argument "1x" for "--limit-memory" flag'],
  ])('refuses %j', (flags, words) => {
    expect(() => create(flags)).toThrow(words);
  });
});

describe('applyServiceFlags on an existing spec', () => {
  it('gives a job a schedule, changes it and takes it away', () => {
    const job = create({ mode: 'replicated-job' });
    const flags = { schedule: '*/5 * * * *', scheduleTimeZone: 'Europe/Berlin', scheduleMissedWindow: '1m' };
    const scheduled = update(job, flags);
    const schedule = { cron: '*/5 * * * *', timeZone: 'Europe/Berlin', overlap: '', missedRunWindow: 60e9 };
    expect(scheduled.schedule).toEqual(schedule);
    expect(update(scheduled, { scheduleOverlap: 'replace' }).schedule).toEqual({ ...schedule, overlap: 'replace' });
    expect(update(scheduled, { label: ['a=b'] }).schedule).toEqual(schedule);
    expect(update(scheduled, { schedule: '' }).schedule).toBeUndefined();
    expect(update(job, { schedule: '' }).schedule).toBeUndefined();
  });

  it('lets no more tasks of a job run at once than there are', () => {
    const job = create({ mode: 'replicated-job', replicas: '5' });
    expect(update(job, { replicas: '3' }).replicatedJob).toEqual({ totalCompletions: 3, maxConcurrent: 3 });
    expect(update(job, { replicas: '9' }).replicatedJob).toEqual({ totalCompletions: 9, maxConcurrent: 5 });
  });

  it('changes nothing when nothing is given', () => {
    const spec = create({ env: ['A=1'], publish: ['8080:80'], label: ['a=b'], healthCmd: 'true', updateDelay: '1s' });
    expect(update(spec, {})).toEqual(spec);
  });

  it('adds, replaces and removes dependencies by the name of their service', () => {
    const before = create({ dependsOn: ['db', 'migrate:completed'] });
    expect(before.dependsOn).toEqual([
      { service: 'db', condition: 'started' },
      { service: 'migrate', condition: 'completed' },
    ]);
    const { dependsOn } = update(before, { dependsOnAdd: ['db:healthy'], dependsOnRm: ['migrate'] });
    expect(dependsOn).toEqual([{ service: 'db', condition: 'healthy' }]);
  });

  it('adds, replaces and removes items of lists', () => {
    const spec = create({
      env: ['A=1', 'B=2'],
      label: ['a=1', 'b=2'],
      mount: ['type=tmpfs,target=/x'],
      publish: ['8080:80', '53:53/udp'],
      constraint: ['node.role==worker'],
      network: ['back'],
      host: ['db:10.0.0.5'],
    });
    const changed = update(spec, {
      envAdd: ['B=3', 'C=4'],
      envRm: ['A'],
      labelAdd: ['c=3'],
      labelRm: ['a'],
      mountRm: ['/x'],
      publishAdd: ['8443:443'],
      publishRm: ['53/udp'],
      constraintRm: ['node.role == worker'],
      networkRm: ['back'],
      hostRm: ['db'],
    });
    expect(changed.task.container.env).toEqual(['B=3', 'C=4']);
    expect(changed.labels).toEqual({ b: '2', c: '3' });
    expect(changed.task.container.mounts).toEqual([]);
    expect(changed.endpoint.ports.map((port) => port.publishedPort)).toEqual([8080, 8443]);
    expect(changed.task.placement.constraints).toEqual([]);
    expect(changed.task.networks).toEqual([]);
    expect(changed.task.container.hosts).toEqual([]);
  });

  it('counts forced updates up and leaves the rest', () => {
    const spec = create();
    expect(update(spec, { force: true }).task.forceUpdate).toBe(1);
  });

  it('adds and takes away devices by either path', () => {
    const spec = create({ device: ['/dev/fuse', '/dev/sda:/dev/xvda:r', '/dev/kvm'] });
    const flags = {
      deviceRm: ['/dev/sda', '/dev/kvm'],
      deviceAdd: ['/dev/fuse:/dev/fuse:r', '/dev/null:/dev/nothing'],
    };
    expect(update(spec, flags).task.container.devices).toEqual([
      { hostPath: '/dev/fuse', containerPath: '/dev/fuse', permissions: 'r' },
      { hostPath: '/dev/null', containerPath: '/dev/nothing', permissions: 'rwm' },
    ]);
  });

  it('a capability that was added and is dropped is neither, as one that was dropped and is added', () => {
    const spec = create({ capAdd: ['NET_ADMIN', 'net_raw'], capDrop: ['kill'] });
    const { capabilityAdd, capabilityDrop } = update(spec, {
      capDrop: ['cap_net_admin', 'chown'],
      capAdd: ['KILL', 'sys_time'],
    }).task.container;
    expect(capabilityAdd).toEqual(['CAP_NET_RAW', 'CAP_SYS_TIME']);
    expect(capabilityDrop).toEqual(['CAP_CHOWN']);
  });

  it('scales by load within a range, from the number that is nearest', () => {
    const rule = {
      min: 2,
      max: 20,
      cpuPercent: 60,
      connectionsPerSecond: 0,
      upWindow: undefined,
      downWindow: undefined,
    };
    const spec = create({ autoscale: 'min=2,max=20,cpu=60%' });
    expect(spec).toMatchObject({ autoscale: rule, replicated: { replicas: 2 } });
    expect(create({ autoscale: 'min=2,max=20,cpu=60', replicas: '5' }).replicated).toEqual({ replicas: 5 });
    const narrower = update(update(spec, { replicas: '15' }), { autoscale: 'max=10,connections=100' });
    expect(narrower).toMatchObject({
      autoscale: { min: 1, max: 10, cpuPercent: 0, connectionsPerSecond: 100 },
      replicated: { replicas: 10 },
    });
    expect(update(narrower, { label: ['a=b'] }).autoscale).toEqual(narrower.autoscale);
    expect(update(narrower, { autoscale: 'none' })).toMatchObject({
      autoscale: undefined,
      replicated: { replicas: 10 },
    });
    expect(create({ autoscale: 'max=9,cpu=1%,up-window=30s,down-window=1m30s' }).autoscale).toMatchObject({
      upWindow: 30e9,
      downWindow: 90e9,
    });
  });

  it.each([
    ['min=2,cpu=60%', 'it names no max'],
    ['max=3', 'it names nothing to scale by'],
    ['max=3,cpu=much', '"much" is not a number for cpu'],
    ['max=3,cpu=60.5%', '"60.5" is not a number for cpu'],
    ['max=0,cpu=60%', '"0" is not a number for max'],
    ['max=3,connections=0', '"0" is not a number for connections'],
    ['max=3,cpu=60%,memory=50%', 'unexpected key "memory"'],
    ['max=3,cpu=60%,up-window=soon', '"soon" is not a duration'],
    ['max=3,cpu', 'the field "cpu" has no value'],
    ['off', 'it names no max'],
  ])('--autoscale %s is refused', (value, message) => {
    const refused = () => create({ autoscale: value });
    expect(refused).toThrow(`invalid argument "${value}" for "--autoscale" flag: ${message}`);
  });

  it('scales what has replicas only', () => {
    expect(update(create(), { replicas: '0' }).replicated).toEqual({ replicas: 0 });
    expect(() => update(create({ mode: 'global' }), { replicas: '2' })).toThrow('--replicas can only be used');
  });
});

it('networkNames - all that flags name, once', () => {
  const flags = new Flags({ networkAdd: ['a', 'name=b,alias=x'], networkRm: ['c', 'a'] });
  expect(networkNames(flags)).toEqual(['a', 'b', 'c']);
});
