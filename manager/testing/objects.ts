import { newId } from '../../lib/ids.js';
import {
  Cluster,
  ClusterSpec,
  Network,
  NetworkSpec,
  Node,
  NodeDescription,
  NodeSpec,
  NodeState,
  NodeStatus,
  Platform,
  Resources,
  Service,
  ServiceSpec,
  TaskSpec,
} from '../../proto/gen/index.js';
import { firstStatus } from '../jobs/runs.js';
import type { Store } from '../store/store.js';

/** A cluster with Swarm's defaults. @param heartbeat milliseconds */
export function testCluster(heartbeat = 5_000): Cluster {
  return Cluster.create({
    id: newId(),
    spec: ClusterSpec.create({ name: 'default', taskHistoryLimit: 5, dispatcherHeartbeat: heartbeat * 1e6 }),
    defaultAddressPools: ['10.0.0.0/8'],
    subnetSize: 24,
    dataPathPort: 4789,
  });
}

export function testNode(name: string, fields: Partial<Node> = {}): Node {
  const resources = Resources.create({ nanoCpus: 4e9, memoryBytes: 2 ** 32 });
  const platform = Platform.create({ os: 'linux', architecture: 'amd64' });
  return Node.create({
    id: newId(),
    spec: NodeSpec.create(),
    description: NodeDescription.create({ hostname: name, resources, platform }),
    status: NodeStatus.create({ state: NodeState.READY, address: '203.0.113.2' }),
    dataPathAddress: '203.0.113.2',
    credentialDigest: new Uint8Array([1]),
    ...fields,
  });
}

/** @param now milliseconds; of a job, when it was made */
export function testService(
  name: string,
  replicas: number,
  fields: Partial<ServiceSpec> = {},
  now = 1_000_000,
): Service {
  const spec = ServiceSpec.create({ name, replicated: { replicas }, ...fields });
  const isJob = spec.replicatedJob !== undefined || spec.globalJob !== undefined;
  return Service.create({ id: newId(), spec, specVersion: 1, jobStatus: isJob ? firstStatus(spec, now) : undefined });
}

export function testTaskSpec(image: string, fields: Partial<TaskSpec> = {}): TaskSpec {
  const spec = TaskSpec.create(fields);
  return { ...spec, container: { ...spec.container, image } };
}

export function testNetwork(name: string, fields: Partial<NetworkSpec> = {}): Network {
  return Network.create({ id: newId(), spec: NetworkSpec.create({ name, driver: 'overlay', ...fields }) });
}

export function ingressNetwork(): Network {
  return testNetwork('ingress', { ingress: true });
}

/** Changes a service's spec as the control API does. */
export function changeSpec(
  store: Store,
  id: string,
  change: (spec: ServiceSpec) => ServiceSpec,
  changeId?: string,
): Promise<unknown> {
  return store.update((draft) => {
    const service = draft.get('service', id);
    if (!service) throw new RangeError(`no service ${id}`);
    draft.update('service', {
      ...service,
      spec: change(service.spec),
      specVersion: draft.version + 1,
      previousSpec: service.spec,
      previousSpecVersion: service.specVersion,
      updateStatus: undefined,
    });
  }, changeId);
}
