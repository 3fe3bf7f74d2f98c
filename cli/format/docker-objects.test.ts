import { describe, expect, it } from 'vitest';
import {
  Endpoint,
  ManagerStatus,
  Meta,
  Node,
  NodeDescription,
  NodeState,
  NodeStatus,
  Reachability,
  Service,
  Task,
  TaskState,
  TaskStatus,
  UpdateState,
} from '../../proto/gen/objects.js';
import {
  ClusterSpec,
  ContainerSpec,
  EndpointSpec,
  NodeSpec,
  PortConfig,
  PublishMode,
  RaftConfig,
  ServiceSpec,
  TaskSpec,
  UpdateConfig,
} from '../../proto/gen/specs.js';
import { dockerClusterSpec, dockerNode, dockerService, dockerTask } from './docker-objects.js';

/** As JSON: without the fields that are there as undefined. */
const json = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

const meta = Meta.create({ version: 34, createdAt: 1_795_244_561_672, updatedAt: 1_795_244_561_674 });
const port = PortConfig.create({ targetPort: 80, publishedPort: 8080 });
const container = ContainerSpec.create({ image: 'web:latest', args: ['httpd', '-f'] });
const spec = ServiceSpec.create({
  name: 'web',
  task: TaskSpec.create({ container }),
  replicated: { replicas: 3 },
  endpoint: EndpointSpec.create({ ports: [port] }),
});

describe('dockerService', () => {
  it('has the shape of Docker with its defaults filled in', () => {
    const endpoint = Endpoint.create({
      ports: [port],
      virtualIps: [{ networkId: 'net', address: '10.0.0.5/24', requested: false }],
    });
    const dockerPort = { Protocol: 'tcp', TargetPort: 80, PublishedPort: 8080, PublishMode: 'ingress' };
    const update = {
      Parallelism: 1,
      FailureAction: 'pause',
      Monitor: 5e9,
      MaxFailureRatio: 0,
      Order: 'stop-first',
    };
    const service = Service.create({ id: 'id1', meta, spec, endpoint });
    expect(json(dockerService(service, { defaults: true }))).toEqual({
      ID: 'id1',
      Version: { Index: 34 },
      CreatedAt: '2026-11-21T07:02:41.672Z',
      UpdatedAt: '2026-11-21T07:02:41.674Z',
      Spec: {
        Name: 'web',
        Labels: {},
        TaskTemplate: {
          ContainerSpec: {
            Image: 'web:latest',
            Args: ['httpd', '-f'],
            Init: false,
            StopGracePeriod: 10e9,
            DNSConfig: {},
            Isolation: 'default',
          },
          Resources: { Limits: {}, Reservations: {} },
          RestartPolicy: { Condition: 'any', Delay: 5e9, MaxAttempts: 0 },
          Placement: {},
          ForceUpdate: 0,
          Runtime: 'container',
        },
        Mode: { Replicated: { Replicas: 3 } },
        UpdateConfig: update,
        RollbackConfig: update,
        EndpointSpec: { Mode: 'vip', Ports: [dockerPort] },
      },
      Endpoint: {
        Spec: { Mode: 'vip', Ports: [dockerPort] },
        Ports: [dockerPort],
        VirtualIPs: [{ NetworkID: 'net', Addr: '10.0.0.5/24' }],
      },
    });
  });

  it('shows the previous spec and how an update stands', () => {
    const service = Service.create({
      meta,
      spec: { ...spec, update: UpdateConfig.create({ parallelism: 4, maxFailureRatio: Math.fround(0.3) }) },
      previousSpec: spec,
      updateStatus: {
        state: UpdateState.ROLLBACK_STARTED,
        startedAt: 1_795_244_561_000,
        completedAt: 0,
        message: 'why',
      },
    });
    expect(json(dockerService(service, { defaults: false }))).toMatchObject({
      Spec: { UpdateConfig: { Parallelism: 4, MaxFailureRatio: 0.3 } },
      PreviousSpec: { Name: 'web' },
      UpdateStatus: { State: 'rollback_started', StartedAt: '2026-11-21T07:02:41.000Z', Message: 'why' },
    });
  });

  it('never shows registry credentials', () => {
    const secret = { ...spec, task: TaskSpec.create({ container: { ...container, registryAuth: 'c2VjcmV0' } }) };
    expect(JSON.stringify(dockerService(Service.create({ spec: secret }), { defaults: true }))).not.toContain(
      'c2VjcmV0',
    );
  });
});

it('dockerNode', () => {
  const node = Node.create({
    id: 'n1',
    meta,
    spec: NodeSpec.create({ labels: { zone: 'a' }, desiredRole: 1, availability: 2 }),
    description: NodeDescription.create({
      hostname: 'node1',
      platform: { architecture: 'amd64', os: 'linux' },
      resources: { nanoCpus: 2e9, memoryBytes: 1024, generic: [{ kind: 'gpu', value: 1, named: '' }] },
    }),
    status: NodeStatus.create({ state: NodeState.READY, address: '10.0.0.1' }),
    managerStatus: ManagerStatus.create({
      leader: true,
      reachability: Reachability.REACHABLE,
      address: '10.0.0.1:2377',
    }),
  });
  expect(json(dockerNode(node))).toMatchObject({
    ID: 'n1',
    Spec: { Labels: { zone: 'a' }, Role: 'manager', Availability: 'drain' },
    Description: {
      Hostname: 'node1',
      Platform: { Architecture: 'amd64', OS: 'linux' },
      Resources: {
        NanoCPUs: 2e9,
        MemoryBytes: 1024,
        GenericResources: [{ DiscreteResourceSpec: { Kind: 'gpu', Value: 1 } }],
      },
    },
    Status: { State: 'ready', Addr: '10.0.0.1' },
    ManagerStatus: { Leader: true, Reachability: 'reachable', Addr: '10.0.0.1:2377' },
  });
});

it('dockerTask', () => {
  const task = Task.create({
    id: 't1',
    meta,
    serviceId: 's1',
    slot: 2,
    nodeId: 'n1',
    desiredState: TaskState.RUNNING,
    status: TaskStatus.create({
      state: TaskState.FAILED,
      timestamp: 1_795_244_561_000,
      error: 'task: non-zero exit (3)',
      container: { containerId: 'c1', pid: 0, exitCode: 3, oomKilled: false },
      portStatus: { ports: [PortConfig.create({ ...port, publishMode: PublishMode.HOST })] },
    }),
  });
  expect(json(dockerTask(task))).toMatchObject({
    ID: 't1',
    ServiceID: 's1',
    Slot: 2,
    NodeID: 'n1',
    DesiredState: 'running',
    Status: {
      State: 'failed',
      Err: 'task: non-zero exit (3)',
      ContainerStatus: { ContainerID: 'c1', PID: 0, ExitCode: 3 },
      PortStatus: { Ports: [{ PublishMode: 'host', PublishedPort: 8080 }] },
    },
  });
});

it('dockerClusterSpec', () => {
  const raft = RaftConfig.create({ snapshotInterval: 500, electionTick: 10 });
  expect(json(dockerClusterSpec(ClusterSpec.create({ name: 'default', raft })))).toMatchObject({
    Name: 'default',
    Raft: { SnapshotInterval: 500, KeepOldSnapshots: 0, ElectionTick: 10 },
    EncryptionConfig: { AutoLockManagers: false },
  });
});
