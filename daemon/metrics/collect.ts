/** What each part of a node knows of itself, as metrics. Pure. */
import { bracketed } from '../../lib/ip.js';
import type { ManagerFigures } from '../../manager/figures.js';
import { type BackendTraffic, NodeStateName, type PortTraffic, TaskStateName } from '../../proto/gen/index.js';
import { protocolText } from '../../proto/ports.js';
import type { EngineFigures } from '../../worker/engine.js';
import type { WorkerFigures } from '../../worker/worker.js';
import type { Measurement } from './exposition.js';

export function measureEngine(into: Measurement, figures: EngineFigures): void {
  const { containers, health, passes, operations, repairs, problems } = figures;
  into.set('tsswarm_containers', containers.running, { state: 'running' });
  into.set('tsswarm_containers', containers.stopped, { state: 'stopped' });
  into.set('tsswarm_health_checks_total', health.passed, { result: 'passed' });
  into.set('tsswarm_health_checks_total', health.failed, { result: 'failed' });
  into.distribution('tsswarm_network_pass_duration_seconds', passes);
  into.set('tsswarm_network_operations_total', operations);
  into.set('tsswarm_network_repairs_total', repairs);
  into.set('tsswarm_network_problems', problems);
}

export function measureWorker(into: Measurement, { connected, tasks, assignments, ports }: WorkerFigures): void {
  into.set('tsswarm_agent_connected', Number(connected));
  for (const [state, count] of tasks)
    into.set('tsswarm_agent_tasks', count, { state: TaskStateName[state].toLowerCase() });
  into.set('tsswarm_agent_assignments_total', assignments);
  for (const port of ports) for (const backend of port.backends) measureBackend(into, port, backend);
}

function measureBackend(into: Measurement, port: PortTraffic, backend: BackendTraffic): void {
  const host = port.hostAddress === '' ? '' : `${bracketed(port.hostAddress)}:`;
  const labels = {
    service: port.serviceName,
    protocol: protocolText(port.protocol),
    port: `${host}${port.published}`,
    task: backend.taskName,
    address: backend.address,
  };
  into.set('tsswarm_ingress_backend_weight', backend.weight, labels);
  into.set('tsswarm_ingress_active_connections', backend.active, labels);
  into.set('tsswarm_ingress_connections_total', backend.connections, labels);
  into.set('tsswarm_ingress_receive_packets_total', backend.packetsIn, labels);
  into.set('tsswarm_ingress_transmit_packets_total', backend.packetsOut, labels);
  into.set('tsswarm_ingress_receive_bytes_total', backend.bytesIn, labels);
  into.set('tsswarm_ingress_transmit_bytes_total', backend.bytesOut, labels);
}

export function measureManager(into: Measurement, figures: ManagerFigures): void {
  const { leading, raft, sessions, objects, tasks, nodes, pending } = figures;
  into.set('tsswarm_manager_leader', Number(leading));
  for (const [state, count] of nodes)
    into.set('tsswarm_manager_nodes', count, { state: NodeStateName[state].toLowerCase() });
  for (const [state, count] of tasks)
    into.set('tsswarm_manager_tasks', count, { state: TaskStateName[state].toLowerCase() });
  for (const [kind, count] of objects) into.set('tsswarm_store_objects', count, { kind });
  into.set('tsswarm_scheduler_pending_tasks', pending);
  into.set('tsswarm_dispatcher_sessions', sessions);
  into.set('tsswarm_raft_voters', raft.voters);
  into.set('tsswarm_raft_term', raft.term);
  into.set('tsswarm_raft_committed_index', raft.committed);
  into.set('tsswarm_raft_applied_index', raft.applied);
  into.distribution('tsswarm_raft_proposal_duration_seconds', raft.proposals);
}
