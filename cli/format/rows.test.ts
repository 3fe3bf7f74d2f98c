import { describe, expect, it } from 'vitest';
import { ServiceCounts } from '../../proto/gen/control.js';
import { Image } from '../../proto/gen/node.js';
import {
  Endpoint,
  JobStatus,
  Meta,
  Node,
  NodeDescription,
  Reachability,
  Restarts,
  Service,
  Task,
  TaskState,
  TaskStatus,
} from '../../proto/gen/objects.js';
import {
  Autoscale,
  ContainerSpec,
  HealthConfig,
  PortConfig,
  Protocol,
  PublishMode,
  ServiceSpec,
  TaskSpec,
} from '../../proto/gen/specs.js';
import { renderList } from './list.js';
import { prettyNode } from './node-pretty.js';
import { imageRow, nodeRow, nodeView, portsText, serviceRow } from './rows.js';
import { prettyService } from './service-pretty.js';
import { type TaskRowOptions, taskRows, taskView } from './task-rows.js';

const port = (publishedPort: number, targetPort: number, more: Partial<PortConfig> = {}) =>
  PortConfig.create({ publishedPort, targetPort, ...more });

describe('portsText', () => {
  it.each([
    [[port(8080, 80)], '*:8080->80/tcp'],
    [[port(8001, 81), port(8000, 80), port(9000, 90)], '*:8000-8001->80-81/tcp, *:9000->90/tcp'],
    [[port(53, 53, { protocol: Protocol.UDP }), port(53, 53)], '*:53->53/tcp, *:53->53/udp'],
    [[port(80, 80, { hostIp: 'fd00::1' })], '[fd00::1]:80->80/tcp'],
    [[], ''],
  ])('%#', (ports, text) => {
    expect(portsText(ports)).toBe(text);
  });
});

it('node ls - marks this node and the leader', () => {
  const node = (id: string, hostname: string) => Node.create({ id, description: NodeDescription.create({ hostname }) });
  const leader = {
    ...node('aaaa', 'node1'),
    managerStatus: { raftId: 1, address: '', leader: true, reachability: Reachability.REACHABLE },
  };
  const rows = [nodeRow(leader, 'aaaa'), nodeRow(node('bbbb', 'node2'), 'aaaa')];
  expect(renderList(nodeView, rows, { format: undefined, quiet: false })).toBe(
    'ID        HOSTNAME   STATUS    AVAILABILITY   MANAGER STATUS   ENGINE VERSION\n' +
      'aaaa *    node1      Unknown   Active         Leader           \n' +
      'bbbb      node2      Unknown   Active                          \n',
  );
});

it('service ls - modes, counts and ports', () => {
  const spec = ServiceSpec.create({ name: 'web', replicated: { replicas: 5 } });
  const endpoint = Endpoint.create({ ports: [port(8080, 80), port(1, 1, { publishMode: PublishMode.HOST })] });
  const counts = ServiceCounts.create({ running: 3, desired: 5, completed: 7 });
  const service = Service.create({ id: 'abcdefghijklmnop', spec, endpoint });
  expect(serviceRow(service, counts, 0)).toMatchObject({
    ID: 'abcdefghijkl',
    Mode: 'replicated',
    Replicas: '3/5',
    Ports: '*:8080->80/tcp',
  });
  const row = (more: Partial<ServiceSpec>, jobStatus?: JobStatus) =>
    serviceRow({ ...service, spec: ServiceSpec.create({ name: 'x', ...more }), jobStatus }, counts, 0);
  expect(row({ global: {} })).toMatchObject({ Mode: 'global', Replicas: '3/5' });
  const autoscale = Autoscale.create({ min: 2, max: 9, cpuPercent: 60 });
  expect(row({ autoscale, replicated: { replicas: 5 } })).toMatchObject({ Replicas: '3/5 (2 to 9 by load)' });
  expect(row({ replicatedJob: { maxConcurrent: 2, totalCompletions: 9 } })).toMatchObject({
    Mode: 'replicated job',
    Replicas: '3/5 (7/9 completed)',
    NextRun: '',
  });
  expect(row({ globalJob: {} })).toMatchObject({ Mode: 'global job', Replicas: '3/5 (7/12 completed)' });
  const status = JobStatus.create({ nextExecution: 300_000 });
  expect(row({ globalJob: {} }, status)).toMatchObject({
    Replicas: '3/5 (7/12 completed, next in 5 minutes)',
    NextRun: '1970-01-01T00:05:00.000Z',
  });
});

describe('service ps', () => {
  const options: TaskRowOptions = {
    now: 100_000,
    truncate: true,
    indent: true,
    nodeName: (id) => `node-${id}`,
    serviceName: (task) => task.serviceName,
  };
  const task = (id: string, slot: number, createdAt: number, status: Partial<TaskStatus>, more: Partial<Task> = {}) =>
    Task.create({
      id,
      slot,
      meta: Meta.create({ createdAt }),
      serviceName: 'web',
      nodeId: '1',
      desiredState: TaskState.RUNNING,
      status: TaskStatus.create({ timestamp: 95_000, ...status }),
      spec: TaskSpec.create({ container: ContainerSpec.create({ image: 'web:latest@sha256:00' }) }),
      ...more,
    });
  const tasks = [
    task('t10', 10, 1, { state: TaskState.RUNNING }),
    task(
      'old',
      2,
      1,
      { state: TaskState.FAILED, error: 'task: non-zero exit (1)' },
      { desiredState: TaskState.SHUTDOWN },
    ),
    task('new', 2, 2, { state: TaskState.RUNNING }),
    task('wait', 3, 2, { state: TaskState.PENDING, message: 'no suitable node (1 node drained)' }, { nodeId: '' }),
  ];

  it('puts the newest of a slot first and its history below', () => {
    expect(taskRows(tasks, options).map((row) => [row.ID, row.Name, row.CurrentState])).toEqual([
      ['new', 'web.2', 'Running 5 seconds ago'],
      ['old', ' \\_ web.2', 'Failed 5 seconds ago'],
      ['wait', 'web.3', 'Pending 5 seconds ago'],
      ['t10', 'web.10', 'Running 5 seconds ago'],
    ]);
  });

  it('says why a task failed and what one waits for', () => {
    const errors = Object.fromEntries(taskRows(tasks, options).map((row) => [row.ID, row.Error]));
    expect(errors).toEqual({
      new: '',
      old: '"task: non-zero exit (1)"',
      wait: '"no suitable node (1 node drained)"',
      t10: '',
    });
    expect(taskRows(tasks, { ...options, errorWidth: 12 })[1]?.Error).toBe('"task: non…"');
    expect(taskRows(tasks, { ...options, errorWidth: 12, truncate: false })[1]?.Error).toBe(
      '"task: non-zero exit (1)"',
    );
  });

  it('says of a task that is to be restarted when, and after how many failures', () => {
    const restarting = (startAfter: number, failures: number) =>
      task(
        'r',
        1,
        1,
        { state: TaskState.READY },
        { desiredState: TaskState.READY, startAfter, restarts: Restarts.create({ failures }) },
      );
    const errorOf = (of: Task) => taskRows([of], options)[0]?.Error;
    expect(errorOf(restarting(111_500, 4))).toBe('"restarting in 12s after 4 failures"');
    expect(errorOf(restarting(190_000, 1))).toBe('"restarting in 1m30s"');
    expect(errorOf(restarting(100_000, 4))).toBe('');
  });

  it('says of a task that is moved where to', () => {
    const moving = (desiredState: TaskState) =>
      taskRows([task('m', 1, 1, { state: TaskState.RUNNING }, { desiredState, moveTo: '3' })], options)[0]?.Error;
    expect(moving(TaskState.RUNNING)).toBe('"moving to node-3"');
    expect(moving(TaskState.SHUTDOWN)).toBe('"moved to node-3"');
  });

  it('names the nodes that a task was stopped without', () => {
    const errorOf = (...unconfirmedNodes: string[]) =>
      taskRows([task('u', 1, 1, { state: TaskState.SHUTDOWN }, { unconfirmedNodes })], options)[0]?.Error;
    expect(errorOf('3')).toBe('"stopped before node-3 had confirmed that it sends it nothing more"');
    expect(errorOf('1', '3')).toBe('"stopped before node-1, node-3 had confirmed that they send it nothing more"');
  });

  it('does not indent outside of tables', () => {
    expect(taskRows(tasks, { ...options, indent: false })[1]?.Name).toBe('web.2');
  });

  it('has the columns of Docker', () => {
    expect(renderList(taskView, taskRows(tasks.slice(0, 1), options), { format: undefined, quiet: false })).toBe(
      'ID        NAME      IMAGE        NODE      DESIRED STATE   CURRENT STATE           ERROR     PORTS\n' +
        't10       web.10    web:latest   node-1    Running         Running 5 seconds ago             \n',
    );
  });

  it('names tasks of global services by their node', () => {
    expect(taskRows([task('g', 0, 1, {})], options)[0]?.Name).toBe('web.1');
  });
});

it('image ls - takes names apart', () => {
  const image = Image.create({ id: 'sha256:0123456789abcdef', sizeBytes: 1_984_219, createdAt: 40_000 });
  expect(imageRow(image, 'localhost:5000/web', 100_000, true)).toMatchObject({
    ID: '0123456789ab',
    Repository: 'localhost:5000/web',
    Tag: 'latest',
    CreatedSince: 'About a minute ago',
    Size: '1.98MB',
  });
  expect(imageRow(image, '', 0, false)).toMatchObject({ ID: image.id, Repository: '<none>', Tag: '<none>' });
  const pinned = `localhost:5000/web@sha256:${'0'.repeat(64)}`;
  expect(imageRow(image, pinned, 0, true)).toMatchObject({ Repository: 'localhost:5000/web', Tag: '<none>' });
});

it('--pretty - shows what there is', () => {
  const healthcheck = HealthConfig.create({ test: ['CMD-SHELL', 'probe -f'], interval: 5e9, retries: 2 });
  const task = TaskSpec.create({ container: ContainerSpec.create({ healthcheck }) });
  const spec = ServiceSpec.create({ name: 'web', labels: { a: 'b' }, replicated: { replicas: 2 }, task });
  const service = Service.create({ id: 's1', spec, endpoint: Endpoint.create({ ports: [port(8080, 80)] }) });
  const text = prettyService(service, (id) => id);
  expect(text).toContain('Name:            web\n');
  expect(text).toContain('Labels:\n a:              b\n');
  expect(text).toContain(' Replicas:       2\n');
  expect(text).toContain(' Healthcheck:    probe -f (interval 5s, retries 2)\n');
  expect(text).toContain(' PublishedPort:  8080 -> 80/tcp (ingress)\n');
  expect(text).not.toContain('undefined');
  expect(prettyNode(Node.create({ id: 'n1' }))).toContain(' Availability:   Active\n');
});
