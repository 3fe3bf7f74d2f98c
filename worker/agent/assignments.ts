import {
  Assignment,
  AssignmentChange,
  AssignmentChangeAction,
  AssignmentsMessage,
  AssignmentsMessageType,
  type Config,
  type EndpointRecord,
  type NetworkKeyRing,
  type NetworkRecord,
  type Secret,
  type ServiceRecord,
  type Task,
} from '../../proto/gen/index.js';

/** All that a manager has told this node, by id. A change makes a new value; maps are never written to. */
export interface Assignments {
  readonly tasks: ReadonlyMap<string, Task>;
  readonly networks: ReadonlyMap<string, NetworkRecord>;
  readonly endpoints: ReadonlyMap<string, EndpointRecord>;
  readonly services: ReadonlyMap<string, ServiceRecord>;
  readonly secrets: ReadonlyMap<string, Secret>;
  readonly configs: ReadonlyMap<string, Config>;
  /** Undefined while no network here is encrypted, and after a restart until a manager is heard. */
  readonly networkKeys?: NetworkKeyRing | undefined;
}

export const noAssignments: Assignments = {
  tasks: new Map(),
  networks: new Map(),
  endpoints: new Map(),
  services: new Map(),
  secrets: new Map(),
  configs: new Map(),
};

/** A message that does not follow the last one: something was lost, and only a COMPLETE one can mend it. */
export class SequenceGap extends Error {
  override readonly name = 'SequenceGap';
}

/**
 * The set after a message.
 * @param sequence of `current`; undefined before the first message of a stream
 * @throws SequenceGap when an incremental message does not follow `sequence`
 */
export function applyMessage(
  current: Assignments,
  sequence: number | undefined,
  message: AssignmentsMessage,
): Assignments {
  if (message.type === AssignmentsMessageType.COMPLETE) return applyChanges(noAssignments, message.changes);
  if (message.appliesTo !== sequence)
    throw new SequenceGap(
      `assignments ${message.resultsIn} follow ${message.appliesTo}, but ${sequence ?? 'nothing'} came last`,
    );
  return applyChanges(current, message.changes);
}

/** A map that is copied when it is first changed: a new task does not cost a copy of all endpoints. */
class CopyOnWrite<V extends { readonly id: string }> {
  #map: ReadonlyMap<string, V>;
  #copy: Map<string, V> | undefined;

  constructor(base: ReadonlyMap<string, V>) {
    this.#map = base;
  }

  change(action: AssignmentChangeAction, item: V | undefined): void {
    if (!item) return;
    if (!this.#copy) {
      this.#copy = new Map(this.#map);
      this.#map = this.#copy;
    }
    if (action === AssignmentChangeAction.REMOVE) this.#copy.delete(item.id);
    else this.#copy.set(item.id, item);
  }

  get map(): ReadonlyMap<string, V> {
    return this.#map;
  }
}

function applyChanges(base: Assignments, changes: readonly AssignmentChange[]): Assignments {
  const tasks = new CopyOnWrite(base.tasks);
  const networks = new CopyOnWrite(base.networks);
  const endpoints = new CopyOnWrite(base.endpoints);
  const services = new CopyOnWrite(base.services);
  const secrets = new CopyOnWrite(base.secrets);
  const configs = new CopyOnWrite(base.configs);
  let { networkKeys } = base;
  for (const { action, assignment } of changes) {
    if (assignment.networkKeys)
      networkKeys = action === AssignmentChangeAction.REMOVE ? undefined : assignment.networkKeys;
    tasks.change(action, assignment.task);
    networks.change(action, assignment.network);
    endpoints.change(action, assignment.endpoint);
    services.change(action, assignment.service);
    secrets.change(action, assignment.secret);
    configs.change(action, assignment.config);
  }
  return {
    tasks: tasks.map,
    networks: networks.map,
    endpoints: endpoints.map,
    services: services.map,
    secrets: secrets.map,
    configs: configs.map,
    networkKeys,
  };
}

/**
 * What of a set is kept on disk, as a COMPLETE message: all that the data plane is made from. Tasks
 * have records of their own, and secrets and keys are never written to a worker's disk.
 */
export function toSavedMessage({ networks, endpoints, services, configs }: Assignments): AssignmentsMessage {
  const items = [
    ...[...networks.values()].map((network) => Assignment.create({ network })),
    ...[...endpoints.values()].map((endpoint) => Assignment.create({ endpoint })),
    ...[...services.values()].map((service) => Assignment.create({ service })),
    ...[...configs.values()].map((config) => Assignment.create({ config })),
  ];
  return AssignmentsMessage.create({ changes: items.map((assignment) => AssignmentChange.create({ assignment })) });
}
