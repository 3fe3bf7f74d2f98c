/** All metrics, with their names by Prometheus' conventions: docs/metrics.md has the same table for people. */

export interface Description {
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly help: string;
  readonly labels?: readonly string[];
}

const BACKEND = ['service', 'protocol', 'port', 'task', 'address'] as const;

export const catalog = {
  tsswarm_build_info: { type: 'gauge', help: 'Always 1; the version is a label.', labels: ['version'] },
  process_start_time_seconds: { type: 'gauge', help: 'Start of the daemon, in seconds since the epoch.' },
  process_cpu_seconds_total: { type: 'counter', help: 'CPU time of the daemon, user and system.' },
  process_resident_memory_bytes: { type: 'gauge', help: 'Memory of the daemon that is not paged out.' },
  process_open_fds: { type: 'gauge', help: 'Open file descriptors of the daemon.' },
  process_max_fds: { type: 'gauge', help: 'File descriptors that it may have.' },
  nodejs_heap_size_used_bytes: { type: 'gauge', help: 'Memory of the daemon that JavaScript uses.' },
  nodejs_eventloop_lag_p50_seconds: {
    type: 'gauge',
    help: 'Median delay of the event loop since the last scrape; not told by the first one in five minutes.',
  },
  nodejs_eventloop_lag_p99_seconds: { type: 'gauge', help: 'The 99th percentile of it.' },
  nodejs_eventloop_lag_max_seconds: { type: 'gauge', help: 'The longest of it.' },

  tsswarm_containers: { type: 'gauge', help: 'Containers of the machine, tasks included.', labels: ['state'] },
  tsswarm_health_checks_total: { type: 'counter', help: 'Health checks that have ended.', labels: ['result'] },
  tsswarm_network_pass_duration_seconds: { type: 'histogram', help: 'Passes that compare and mend the network.' },
  tsswarm_network_operations_total: { type: 'counter', help: 'Changes of the kernel that passes have made.' },
  tsswarm_network_repairs_total: { type: 'counter', help: 'What others had changed in the kernel and was put back.' },
  tsswarm_network_problems: { type: 'gauge', help: 'What of the network cannot be had on this machine now.' },

  tsswarm_agent_connected: { type: 'gauge', help: '1 while a manager answers this node.' },
  tsswarm_agent_tasks: { type: 'gauge', help: 'Tasks of this node.', labels: ['state'] },
  tsswarm_agent_assignments_total: { type: 'counter', help: 'Sets of assignments that managers have sent.' },

  tsswarm_ingress_backend_weight: {
    type: 'gauge',
    help: 'Weight of a task in this node’s balancer; 0 while it drains.',
    labels: BACKEND,
  },
  tsswarm_ingress_active_connections: {
    type: 'gauge',
    help: 'Connections through this node that last.',
    labels: BACKEND,
  },
  tsswarm_ingress_connections_total: {
    type: 'counter',
    help: 'Connections that this node has given to a task.',
    labels: BACKEND,
  },
  tsswarm_ingress_receive_packets_total: { type: 'counter', help: 'Packets from clients to a task.', labels: BACKEND },
  tsswarm_ingress_transmit_packets_total: { type: 'counter', help: 'Packets from a task to clients.', labels: BACKEND },
  tsswarm_ingress_receive_bytes_total: {
    type: 'counter',
    help: 'Bytes from clients to a task, of IP packets.',
    labels: BACKEND,
  },
  tsswarm_ingress_transmit_bytes_total: {
    type: 'counter',
    help: 'Bytes from a task to clients, of IP packets.',
    labels: BACKEND,
  },

  tsswarm_manager_leader: { type: 'gauge', help: '1 on the manager that leads.' },
  tsswarm_manager_nodes: { type: 'gauge', help: 'Nodes of the swarm.', labels: ['state'] },
  tsswarm_manager_tasks: {
    type: 'gauge',
    help: 'Tasks of the swarm, past ones that are kept included.',
    labels: ['state'],
  },
  tsswarm_store_objects: { type: 'gauge', help: 'Objects of the replicated state.', labels: ['kind'] },
  tsswarm_scheduler_pending_tasks: { type: 'gauge', help: 'Tasks that wait for a node.' },
  tsswarm_dispatcher_sessions: { type: 'gauge', help: 'Nodes that have a session with this manager.' },
  tsswarm_raft_voters: { type: 'gauge', help: 'Managers that have a vote.' },
  tsswarm_raft_term: { type: 'gauge', help: 'Grows with every election.' },
  tsswarm_raft_committed_index: { type: 'gauge', help: 'Last entry of the log that a majority has.' },
  tsswarm_raft_applied_index: { type: 'gauge', help: 'Last entry that this manager’s state has.' },
  tsswarm_raft_proposal_duration_seconds: {
    type: 'histogram',
    help: 'From a change that this manager proposes, leading, to its effect.',
  },
} as const satisfies Readonly<Record<string, Description>>;

export type MetricName = keyof typeof catalog;
