import path from 'node:path';
import type { Clock } from '../lib/clock.js';
import { unavailable } from '../lib/errors.js';
import type { Logger } from '../lib/log.js';
import {
  AttachmentsService,
  ControlService,
  InspectionBrokerService,
  InspectionsService,
  JoinService,
  LeaderRelayService,
  LogBrokerService,
  NodeRole,
  RaftTransportService,
  type TaskAccessService,
  TunnelsService,
} from '../proto/gen/index.js';
import type { CallContext, Handlers, RpcServer } from '../proto/rpc/server.js';
import { Allocator } from './allocator/allocator.js';
import { Attachments } from './attachments/attachments.js';
import { Autoscaler } from './autoscaler/autoscaler.js';
import { type BootstrapOptions, bootstrapSwarm } from './bootstrap.js';
import { controlHandlers } from './control/handlers.js';
import { loggedControl } from './control/logged.js';
import { Dependencies } from './dependencies/dependencies.js';
import { Dispatcher } from './dispatcher/dispatcher.js';
import { SharingDispatcherService } from './dispatcher/shared-change.js';
import { type ManagerFigures, storeFigures } from './figures.js';
import type { ManagerIdentity } from './identity.js';
import { InspectionBroker } from './inspections/broker.js';
import {
  leadersInspections,
  managersInspections,
  operatorsInspections,
  routedInspections,
} from './inspections/handlers.js';
import { JobStarter } from './jobs/job-starter.js';
import { authenticate } from './join/authenticate.js';
import { joinHandlers } from './join/handlers.js';
import { NetworkKeys } from './keys/network-keys.js';
import { LeaderDuties } from './leader-duties.js';
import { LogBroker } from './logbroker/broker.js';
import { LogReader } from './logbroker/reader.js';
import { RoleKeeper } from './membership/role-keeper.js';
import { Roster } from './membership/roster.js';
import { Orchestrator } from './orchestrator/orchestrator.js';
import { TaskReaper } from './orchestrator/reaper.js';
import type { Group } from './raft/member/group.js';
import { RaftMember } from './raft/member/raft-member.js';
import { Rebalancer } from './rebalancer/rebalancer.js';
import { managersControl, routedControl } from './routing/control.js';
import { routedJoin } from './routing/join.js';
import { LeaderClient } from './routing/leader-client.js';
import { managersOnly } from './routing/managers-only.js';
import { RelayServer } from './routing/relay-server.js';
import { Scheduler } from './scheduler/scheduler.js';
import { keepOldSnapshots, snapshotPolicy } from './snapshot-policy.js';
import { MemoryStore } from './store/memory-store.js';
import type { Store } from './store/store.js';
import { type Loop, supervise } from './supervise.js';
import { Rendezvous } from './tunnels/rendezvous.js';
import { TaskAccess } from './tunnels/task-access.js';
import { UsageReports } from './usage/usage-reports.js';

export interface ManagerOptions {
  /** The daemon's data root; the manager's log is in `manager/` below it. */
  readonly dataRoot: string;
  readonly log: Logger;
  readonly clock: Clock;
  readonly nodeId: string;
  /** 32 bytes by which the node proves itself. */
  readonly nodeSecret: Uint8Array;
  readonly identity: ManagerIdentity;
  /** host:port at which nodes and other managers reach this one. */
  readonly address: string;
  /** What an empty log means; refused when left out: see RaftMember. */
  readonly onEmptyLog?: 'begin' | 'wait' | 'refuse';
  /** Called when the disk fails so that going on would lose data. Must end the process. */
  readonly onFatal: (error: unknown) => void;
}

/** What the operator of a new swarm is told. */
export interface BootstrapResult {
  readonly clusterId: string;
  readonly workerToken: string;
  readonly managerToken: string;
  readonly dataPathPort: number;
}

/**
 * All that runs on a manager: the replicated store, the answers to operators and nodes, and, while it
 * leads, the control loops.
 */
export class Manager {
  readonly #options: ManagerOptions;
  readonly #member: RaftMember;
  readonly #store: MemoryStore;
  readonly #broker: LogBroker;
  readonly #inspections: InspectionBroker;
  readonly #usage = new UsageReports();
  readonly #dispatcher: Dispatcher;
  readonly #roster: Roster;
  readonly #leader: LeaderClient;
  readonly #duties: LeaderDuties;
  readonly #local: Handlers<typeof ControlService>;
  readonly #rendezvous: Rendezvous;
  #opened: Promise<void> | undefined;

  /** Control for the operators of this machine. */
  readonly control: Handlers<typeof ControlService>;
  /** Questions of the operators of this machine to any node. */
  readonly inspections: Handlers<typeof InspectionsService>;
  /** Tasks on any node, for the operators of this machine. */
  readonly taskAccess: Handlers<typeof TaskAccessService>;

  constructor(options: ManagerOptions) {
    const { clock, log, nodeId, nodeSecret, identity, onFatal } = options;
    this.#options = options;
    const credential = { nodeId, secret: nodeSecret, managerSecret: identity.secret };
    this.#member = new RaftMember({
      folder: path.join(options.dataRoot, 'manager'),
      keys: identity.keys,
      raftId: identity.raftId,
      nodeId,
      group: identity.group,
      address: options.address,
      credential,
      onEmpty: options.onEmptyLog ?? 'refuse',
      initialPeers: new Map(identity.peers.map((peer) => [peer.raftId, peer.address])),
      addressOf: (raftId) => this.#addressOf(raftId),
      policy: () => snapshotPolicy(this.#store),
      keepOldSnapshots: () => keepOldSnapshots(this.#store),
      clock,
      log: part(log, 'raft'),
      onFatal,
    });
    this.#store = new MemoryStore({ proposer: this.#member, clock, log: part(log, 'store') });
    const store = this.#store;
    const group = () => this.#group();
    const authenticated = (context: CallContext) => authenticate(store, context);
    const leader = () => this.#member.standing().leader;
    this.#broker = new LogBroker({ store, clock, authenticate: authenticated });
    this.#inspections = new InspectionBroker({ store, clock, authenticate: authenticated });
    this.#dispatcher = new Dispatcher({
      store,
      clock,
      log: part(log, 'dispatcher'),
      authenticate: authenticated,
      usage: this.#usage,
      leader,
    });
    this.#roster = new Roster({ store, group, identity, clock, log: part(log, 'roster') });
    this.#leader = new LeaderClient({
      source: this.#member,
      clock,
      credential,
      noLeader: () => this.#member.noLeader(),
    });
    this.#duties = new LeaderDuties(this.#member, (signal) => this.#lead(signal));
    this.#local = controlHandlers(store, { clock, managers: this.#roster, logs: new LogReader(store, this.#broker) });
    const inspections = routedInspections(leadersInspections(this.#inspections, this.#member), this.#leader);
    this.inspections = operatorsInspections(inspections);
    this.#rendezvous = new Rendezvous(authenticated);
    this.taskAccess = new TaskAccess({
      store,
      clock,
      log: part(log, 'tunnels'),
      rendezvous: this.#rendezvous,
      nodeId,
      barrier: () => this.#member.barrier(),
      ask: (node, question, caller) => inspections.inspectNode({ nodeId: node.id, question }, caller),
    }).handlers;
    const control = { local: this.#local, leader: this.#leader, barrier: () => this.#member.barrier() };
    this.control = loggedControl(routedControl(control), 'operator', part(log, 'control'));
  }

  /** The replicated state, for reading. */
  get store(): Store {
    return this.#store;
  }

  /** Whether this manager has a vote, and somebody leads. */
  get settled(): boolean {
    const members = this.#member.group?.members() ?? [];
    const own = members.find(({ raftId }) => raftId === this.#options.identity.raftId);
    return own?.voter === true && this.#member.standing().leader !== undefined;
  }

  /** Why operators get no answers here, in words; undefined while somebody leads. */
  get trouble(): string | undefined {
    const { leading, leader } = this.#member.standing();
    return leading || leader !== undefined ? undefined : this.#member.noLeader().message;
  }

  get leads(): boolean {
    return this.#member.standing().leading;
  }

  figures(): ManagerFigures {
    return {
      leading: this.leads,
      raft: this.#member.figures(),
      sessions: this.#dispatcher.sessions,
      ...storeFigures(this.#store.view()),
    };
  }

  /**
   * Makes a new swarm in an empty data root; to be called before `start`.
   * @throws ALREADY_EXISTS when there is one already
   */
  async bootstrap(
    init: Omit<BootstrapOptions, 'nodeId' | 'address' | 'credential' | 'raftId'>,
  ): Promise<BootstrapResult> {
    const { nodeId, nodeSecret, identity, address, clock } = this.#options;
    await this.#openAlone();
    const own = { nodeId, address, credential: nodeSecret, raftId: identity.raftId };
    const cluster = await bootstrapSwarm(this.#store, { ...init, ...own }, clock.now());
    return {
      clusterId: cluster.id,
      workerToken: cluster.joinTokens.worker,
      managerToken: cluster.joinTokens.manager,
      dataPathPort: cluster.dataPathPort,
    };
  }

  /**
   * Makes this the only manager in the replicated state too, after `forceNewGroup`; to be called before
   * `start`. The others are workers from now on: those that come back learn it and give their logs up.
   * This one stays, also when it was about to go.
   */
  async reclaim(): Promise<void> {
    await this.#openAlone();
    const managers = [...this.#store.view().list('node')].filter(
      ({ role, spec }) => role === NodeRole.MANAGER || spec.desiredRole === NodeRole.MANAGER,
    );
    await this.#store.batch(managers, (draft, { id }) => {
      const node = draft.get('node', id);
      if (!node) return;
      const role = id === this.#options.nodeId ? NodeRole.MANAGER : NodeRole.WORKER;
      const managerStatus = role === NodeRole.MANAGER ? node.managerStatus : undefined;
      draft.update('node', { ...node, spec: { ...node.spec, desiredRole: role }, role, managerStatus });
    });
  }

  /** Restores the state and takes part. @throws INTERNAL when the log is damaged, with file and offset */
  async start(): Promise<void> {
    await this.#open();
    this.#duties.start();
  }

  /** Ends the loops, hands the leadership over, closes the log. */
  async stop(): Promise<void> {
    await this.#duties.stop();
    this.#leader.close();
    await this.#store.stop();
  }

  /**
   * Lets another manager lead, if this one does, so that it can go.
   * @throws FAILED_PRECONDITION when the swarm needs it, UNAVAILABLE when nobody takes over
   */
  async handOver(): Promise<void> {
    if (!this.leads) return;
    const view = this.#store.view();
    const own = view.get('node', this.#options.nodeId);
    // Who has led knows who answers; the next leader takes all for reachable at first.
    if (own) this.#roster.checkDismissal(view, own);
    await this.#group().transferLeadership();
  }

  /** What other machines are offered. */
  registerRemote(server: RpcServer): void {
    const { clock, log } = this.#options;
    const join = joinHandlers({ store: this.#store, clock, log: part(log, 'join'), managers: this.#roster });
    server.add(SharingDispatcherService, this.#dispatcher.handlers);
    server.add(JoinService, routedJoin(join, this.#leader));
    server.add(LogBrokerService, this.#broker.handlers());
    const nodeOf = (sessionId: string, context: CallContext) => this.#dispatcher.nodeOf(sessionId, context);
    server.add(AttachmentsService, new Attachments({ store: this.#store, clock, nodeOf }).handlers);
    server.add(InspectionBrokerService, this.#inspections.handlers());
    server.add(TunnelsService, this.#rendezvous.handlers);
    server.add(RaftTransportService, this.#member.handlers);
    const member = this.#member;
    const isPeer = (context: CallContext) => member.isPeer(context);
    const admit = managersOnly({
      source: member,
      barrier: () => member.barrier(),
      isPeer,
      authenticate: (context) => authenticate(this.#store, context),
    });
    const control = loggedControl(managersControl(this.#local, admit), 'manager', part(log, 'control'));
    server.add(ControlService, control);
    const relay = new RelayServer({ isManager: isPeer, log: part(log, 'relay') });
    relay.add(ControlService, control);
    relay.add(InspectionsService, managersInspections(leadersInspections(this.#inspections, member), admit));
    server.add(LeaderRelayService, relay.handlers);
  }

  #open(): Promise<void> {
    this.#opened ??= this.#store.start();
    return this.#opened;
  }

  /** For what only the one manager of a group does. */
  async #openAlone(): Promise<void> {
    await this.#open();
    await this.#member.untilLeading(AbortSignal.timeout(ELECTION_TIMEOUT));
  }

  async #lead(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    const common = { store: this.#store, clock };
    const loops: Readonly<Record<string, Loop>> = {
      roles: new RoleKeeper({ ...common, group: this.#group(), log: part(log, 'roles') }),
      allocator: new Allocator({ ...common, log: part(log, 'allocator') }),
      scheduler: new Scheduler({ ...common, log: part(log, 'scheduler') }),
      jobs: new JobStarter({ ...common, log: part(log, 'jobs') }),
      dependencies: new Dependencies({ ...common, log: part(log, 'dependencies') }),
      orchestrator: new Orchestrator({ ...common, log: part(log, 'orchestrator') }),
      rebalancer: new Rebalancer({ ...common, log: part(log, 'rebalancer') }),
      reaper: new TaskReaper({ ...common, log: part(log, 'reaper') }),
      autoscaler: new Autoscaler({ ...common, usage: this.#usage, log: part(log, 'autoscaler') }),
      keys: new NetworkKeys({ ...common, log: part(log, 'keys') }),
      dispatcher: this.#dispatcher,
      logbroker: this.#broker,
    };
    await Promise.all(
      Object.entries(loops).map(([name, loop]) => supervise(name, loop, { clock, log: part(log, name), signal })),
    );
  }

  #group(): Group {
    const { group } = this.#member;
    if (!group) throw unavailable('this manager is just starting, or is stopping');
    return group;
  }

  #addressOf(raftId: number): string | undefined {
    for (const { role, managerStatus } of this.#store.view().list('node')) {
      if (role === NodeRole.MANAGER && managerStatus?.raftId === raftId) return managerStatus.address;
    }
    return undefined;
  }
}

/** Milliseconds in which a manager without others leads. */
const ELECTION_TIMEOUT = 10_000;

const part = (log: Logger, name: string): Logger => log.child({ part: name });
