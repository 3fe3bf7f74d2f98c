import { isEncrypted } from '../../lib/encrypted-option.js';
import { SwarmError } from '../../lib/errors.js';
import type { Task } from '../../proto/gen/index.js';
import { isWanted } from '../common/tasks.js';
import type { ReadView } from '../store/store.js';
import { parseConstraints } from './constraint.js';
import type { Demand } from './filters.js';
import { groupKey, hostPortsOf, NodeInfo } from './node-info.js';

/** What a task asks of a node, or why that cannot be told. */
export function demandOf(view: ReadView, task: Task): Demand | SwarmError {
  const constraints = parseConstraints(task.spec.placement.constraints);
  if (constraints instanceof SwarmError) return constraints;
  const encrypted = task.networks.some(({ networkId }) =>
    isEncrypted(view.get('network', networkId)?.spec.driverOptions ?? {}),
  );
  return {
    serviceId: task.serviceId || task.id,
    spec: task.spec,
    constraints,
    hostPorts: hostPortsOf(task.endpoint.ports),
    features: encrypted ? ['esp'] : [],
  };
}

/** All nodes, by id, with what is on them and what has failed there lately. */
export function readNodes(view: ReadView): Map<string, NodeInfo> {
  const nodes = new Map<string, NodeInfo>();
  for (const node of view.list('node')) nodes.set(node.id, new NodeInfo(node));
  for (const task of view.list('task')) {
    nodes.get(task.nodeId)?.put(task);
    // What was seen to fail before: a task's successor tells of it.
    if (isWanted(task))
      for (const { nodeId, at } of task.restarts?.recent ?? []) nodes.get(nodeId)?.failed(groupKey(task), at);
  }
  return nodes;
}
