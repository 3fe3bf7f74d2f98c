import type { Cluster, Node, Secret, Service, ServiceSpec, Task, TaskSpec } from '../../proto/gen/index.js';
import type { Kind, ObjectTypes } from '../store/store.js';

/** Objects as operators may see them: without what proves identity, decrypts, or opens registries. */
export function redact<K extends Kind>(kind: K, object: ObjectTypes[K]): ObjectTypes[K] {
  return (REDACT[kind] as ((o: ObjectTypes[K]) => ObjectTypes[K]) | undefined)?.(object) ?? object;
}

const NOTHING = new Uint8Array(0);

const redactTaskSpec = (spec: TaskSpec): TaskSpec =>
  spec.container.registryAuth === '' ? spec : { ...spec, container: { ...spec.container, registryAuth: '' } };

const redactServiceSpec = (spec: ServiceSpec): ServiceSpec => ({ ...spec, task: redactTaskSpec(spec.task) });

const REDACT: { readonly [K in Kind]?: (object: ObjectTypes[K]) => ObjectTypes[K] } = {
  cluster: ({ rootCa, networkKeys, ...cluster }: Cluster) => ({
    ...cluster,
    rootCa: { ...rootCa, key: NOTHING, rotation: undefined },
    networkKeys: { ...networkKeys, keys: networkKeys.keys.map((key) => ({ ...key, key: NOTHING })) },
    unlockKeys: [],
  }),
  node: (node: Node) => ({ ...node, credentialDigest: NOTHING }),
  service: (service: Service) => ({
    ...service,
    spec: redactServiceSpec(service.spec),
    previousSpec: service.previousSpec && redactServiceSpec(service.previousSpec),
  }),
  task: (task: Task) => ({ ...task, spec: redactTaskSpec(task.spec) }),
  secret: (secret: Secret) => ({ ...secret, spec: { ...secret.spec, data: NOTHING } }),
};
