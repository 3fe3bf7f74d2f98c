import { failedPrecondition, messageOf, SwarmError } from '../../lib/errors.js';
import type { Cluster, Network, NetworkAttachment, Node, NodeProblem, Service, Task } from '../../proto/gen/index.js';
import { Protocol, TaskState, TaskStatus } from '../../proto/gen/index.js';
import { ControlLoop, type LoopOptions, type Reaction } from '../common/loop.js';
import { isRouted } from '../common/routed-options.js';
import { hasLeft, isAttachment, isStopped, isWanted, lacksAddress } from '../common/tasks.js';
import { type Commit, isEvent, type Kind, type ReadView, type StoreEvent, type WriteView } from '../store/store.js';
import { Agenda, changesIn, INGRESS, PORTS } from './agenda.js';
import { attachTask, isBlocked, leaseAttachment, nodeOwner, taskOwner } from './attachment.js';
import { ingressAddress, isNodeProblem } from './ingress-address.js';
import { AddressLedger } from './ledger.js';
import { givesAddresses, growsByItself } from './network.js';
import { NetworkBook } from './network-book.js';
import { describeOwner } from './owner-words.js';
import { PortTable } from './ports.js';
import { allocateEndpoint, claimEndpoint, type ServiceResources, serviceOwner } from './service.js';
import type { Item } from './work-list.js';

/**
 * Gives out what is scarce: subnets, VNIs, virtual addresses, published ports, addresses of tasks and
 * nodes. A NEW task that has all it needs becomes PENDING; one that has not says in its status what
 * it waits for, and is tried again when something of the kind is freed.
 *
 * What is taken is derived from the store alone, so a restart finds the same state. Within the loop
 * the books are kept by owner: what is decided here and what is then read back count once.
 */
export class Allocator implements Reaction {
  readonly kinds: readonly Kind[] = ['cluster', 'network', 'node', 'service', 'task'];
  readonly #options: LoopOptions;
  readonly #loop: ControlLoop;
  #ledger = this.#newLedger();
  #ports = new PortTable();
  #networks = new NetworkBook();
  #agenda = new Agenda();

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#loop = new ControlLoop(options);
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#loop.run(signal, this);
  }

  /** All that is given out, as lines in a fixed order: for comparison. */
  books(): readonly string[] {
    return [...this.#ledger.entries()].sort();
  }

  start(view: ReadView): void {
    this.#ledger = this.#newLedger();
    this.#ports = new PortTable();
    this.#networks = new NetworkBook(view.list('network'));
    this.#agenda = new Agenda();
    for (const cluster of view.list('cluster')) this.#useCluster(cluster);
    for (const network of view.list('network')) this.#networkSeen(network);
    for (const node of view.list('node')) this.#nodeSeen(node);
    for (const service of view.list('service')) this.#serviceSeen(service);
    for (const task of view.list('task')) this.#taskSeen(task);
    this.#ledger.resume();
  }

  observe(commit: Commit): void {
    for (const event of commit.events) this.#observe(event);
  }

  async act(): Promise<void> {
    // What is given back on the way wakes others. It ends: one that waits on is woken by its own network only.
    for (;;) {
      this.#agenda.wakeWaiting((networkId) => this.#ledger.room(networkId));
      if (this.#agenda.isEmpty) return;
      const { failed } = await this.#options.store.batch(this.#agenda.drain(), (draft, item) =>
        this.#allocate(draft, item),
      );
      for (const [item, error] of failed) {
        this.#options.log.warn({ ...item, err: error }, `cannot allocate: ${messageOf(error)}`);
      }
    }
  }

  #observe(event: StoreEvent): void {
    const removed = event.action === 'remove';
    if (isEvent(event, 'task')) removed ? this.#taskGone(event.object) : this.#taskSeen(event.object);
    else if (isEvent(event, 'service')) removed ? this.#serviceGone(event.object) : this.#serviceSeen(event.object);
    else if (isEvent(event, 'node')) removed ? this.#nodeGone(event.object) : this.#nodeSeen(event.object);
    else if (isEvent(event, 'network')) removed ? this.#networkGone(event.object) : this.#networkSeen(event.object);
    else if (isEvent(event, 'cluster')) this.#useCluster(event.object);
  }

  // ---- what is learned from the store --------------------------------------------------------

  #useCluster(cluster: Cluster): void {
    this.#ports.avoid('data path', Protocol.UDP, cluster.dataPathPort);
    this.#networks.useCluster(cluster);
    this.#agenda.add('network', this.#networks.waiting());
  }

  #networkSeen(network: Network): void {
    const before = this.#networks.get(network.id);
    // An older state than what was decided here.
    if (before?.allocated && (!network.allocated || network.ipam.length < before.ipam.length)) return;
    this.#networks.set(network);
    if (!network.allocated) {
      if (!before) this.#agenda.add('network', [network.id]);
      return;
    }
    if (givesAddresses(network)) this.#ledger.addNetwork(network);
    if (!before?.allocated) this.#networkReady(network);
  }

  /** All that waited for the network; nodes need the ingress network only. */
  #networkReady(network: Network): void {
    this.#agenda.came(network.id);
    this.#agenda.came(changesIn(network.id));
    if (!network.spec.ingress) return;
    this.#agenda.came(INGRESS);
  }

  #networkGone(network: Network): void {
    this.#networks.delete(network.id);
    this.#ledger.removeNetwork(network.id);
    for (const node of this.#options.store.view().list('node'))
      if (node.attachments.some(({ networkId }) => networkId === network.id)) this.#agenda.add('node', [node.id]);
    this.#agenda.add('network', this.#networks.waiting());
  }

  #nodeSeen(node: Node): void {
    this.#ports.avoid(nodeOwner(node.id), Protocol.TCP, controlPort(node));
    this.#networks.avoid(node.id, [node.dataPathAddress, node.status.address]);
    for (const a of node.attachments) this.#nodeAttachmentSeen(node, a);
    const ingress = this.#networks.ingress();
    if (!ingress || !node.attachments.some((a) => a.networkId === ingress.id)) this.#agenda.add('node', [node.id]);
  }

  /** A node that has left takes its leases with it; one that is down will be back. */
  #nodeAttachmentSeen(node: Node, { networkId, addresses }: NetworkAttachment): void {
    const owner = nodeOwner(node.id);
    const network = this.#networks.get(networkId);
    const [first] = addresses;
    if (!network || !isRouted(network) || first === undefined) this.#ledger.claim(owner, networkId, addresses);
    else if (!hasLeft(node)) this.#ledger.claimLease(owner, networkId, first);
    else {
      this.#agenda.freed(this.#ledger.release(owner, networkId));
      this.#agenda.add('node', [node.id]);
    }
  }

  #nodeGone(node: Node): void {
    this.#ports.avoid(nodeOwner(node.id), Protocol.TCP, 0);
    this.#networks.avoid(node.id, []);
    this.#agenda.forget('node', node.id);
    this.#agenda.freed(this.#ledger.release(nodeOwner(node.id)));
  }

  #serviceSeen(service: Service): void {
    claimEndpoint(service, this.#resources);
    this.#agenda.add('service', [service.id]);
  }

  #serviceGone(service: Service): void {
    this.#agenda.freed(this.#ledger.release(serviceOwner(service.id)));
    if (this.#ports.release(service.id)) this.#agenda.came(PORTS);
    this.#agenda.came(serviceOwner(service.id));
  }

  #taskSeen(task: Task): void {
    if (isStopped(task)) {
      this.#taskGone(task);
      return;
    }
    const owner = taskOwner(task.id);
    for (const a of task.networks) {
      if (!this.#ledger.claim(owner, a.networkId, a.addresses))
        this.#options.log.warn({ task: task.id, network: a.networkId, addresses: a.addresses }, 'address given twice');
    }
    if ((task.status.state === TaskState.NEW && isWanted(task)) || isPlacedWithout(task)) {
      if (!this.#agenda.waits('task', task.id)) this.#agenda.add('task', [task.id]);
    }
  }

  #taskGone(task: Task): void {
    this.#agenda.forget('task', task.id);
    this.#agenda.freed(this.#ledger.release(taskOwner(task.id)));
  }

  // ---- what is decided -----------------------------------------------------------------------

  #allocate(draft: WriteView, { kind, id }: Item): void {
    if (kind === 'network') this.#allocateNetwork(draft, id);
    else if (kind === 'node') this.#allocateNode(draft, id);
    else if (kind === 'service') this.#allocateService(draft, id);
    else this.#allocateTask(draft, id);
  }

  #allocateNetwork(draft: WriteView, id: string): void {
    const network = draft.get('network', id);
    if (!network || network.allocated) return;
    try {
      const done = draft.update('network', this.#networks.allocate(network));
      this.#networkSeen(done);
    } catch (error) {
      if (!(error instanceof SwarmError)) throw error;
      draft.update('network', { ...network, problems: [messageOf(error)] });
    }
  }

  #allocateNode(draft: WriteView, id: string): void {
    const node = draft.get('node', id);
    if (!node) return;
    const kept = node.attachments.filter(({ networkId }) => {
      const network = draft.get('network', networkId);
      return network && !(isRouted(network) && hasLeft(node));
    });
    const own = this.#ingressAttachment(draft, node);
    const attachments = [...kept, ...(own && !isNodeProblem(own) ? [own] : [])];
    const unallocated = own && isNodeProblem(own) ? [own] : [];
    draft.update('node', { ...node, attachments, unallocated });
  }

  /** Undefined when the node has it, or there is no ingress network yet; or why it cannot have it. */
  #ingressAttachment(draft: WriteView, { id, attachments }: Node): NetworkAttachment | NodeProblem | undefined {
    const ingress = this.#networks.ingress();
    if (!ingress) {
      this.#agenda.wait(INGRESS, { kind: 'node', id });
      return undefined;
    }
    if (attachments.some((a) => a.networkId === ingress.id)) return undefined;
    const given = ingressAddress(this.#ledger, id, ingress);
    if (!isNodeProblem(given)) return given;
    const isLarger = this.#grow(draft, ingress.id);
    const again = isLarger ? ingressAddress(this.#ledger, id, ingress) : given;
    if (isNodeProblem(again)) this.#agenda.wait(ingress.id, { kind: 'node', id });
    return again;
  }

  /** One more subnet for a network that is full. False where it is not, or the operator has chosen its size, or the pools are used up. */
  #grow(draft: WriteView, networkId: string | undefined): boolean {
    const network = networkId === undefined ? undefined : draft.get('network', networkId);
    if (!network?.allocated || !growsByItself(network) || this.#ledger.room(network.id) > 0) return false;
    const { log } = this.#options;
    try {
      const grown = draft.update('network', this.#networks.grow(network));
      this.#networkSeen(grown);
      this.#agenda.grown(network.id);
      log.info({ network: network.id, subnet: grown.ipam.at(-1)?.subnet }, 'the ingress network has one more subnet');
      return true;
    } catch (error) {
      if (!(error instanceof SwarmError)) throw error;
      log.warn({ network: network.id, err: error }, `the ingress network is full: ${messageOf(error)}`);
      return false;
    }
  }

  /** The node's lease in a routed network, which it is given with its first task. @throws as AddressLedger.lease */
  #lease(draft: WriteView, nodeId: string, network: Network): string {
    const node = draft.get('node', nodeId);
    if (!node || hasLeft(node)) throw failedPrecondition(`node ${nodeId} has left the swarm`, { value: nodeId });
    const owner = nodeOwner(nodeId);
    const lease = leaseAttachment(this.#ledger, owner, network);
    if (!node.attachments.some((a) => a.networkId === network.id))
      draft.update('node', { ...node, attachments: [...node.attachments, lease] });
    return owner;
  }

  #allocateService(draft: WriteView, id: string): void {
    const service = draft.get('service', id);
    if (!service) return;
    const plan = allocateEndpoint(service, this.#resourcesOf(draft));
    this.#agenda.freed(plan.freedNetworks);
    if (plan.freedPorts) this.#agenda.came(PORTS);
    if (plan.service !== service) draft.update('service', plan.service);
    if (!plan.service.endpoint.allocated) {
      for (const { target } of service.spec.task.networks)
        this.#agenda.wait(changesIn(target), { kind: 'service', id });
      this.#agenda.wait(PORTS, { kind: 'service', id });
    }
    // Its tasks go on, or say why they cannot.
    this.#agenda.came(serviceOwner(id));
  }

  #allocateTask(draft: WriteView, id: string): void {
    const stored = draft.get('task', id);
    if (!stored || !isWanted(stored)) return;
    const isPlaced = isPlacedWithout(stored);
    if (stored.status.state !== TaskState.NEW && !isPlaced) return;
    const service = stored.serviceId === '' ? undefined : draft.get('service', stored.serviceId);
    const task = service && !isPlaced ? { ...stored, endpoint: service.endpoint } : stored;
    if (service && !service.endpoint.allocated && !isPlaced) {
      this.#agenda.wait(serviceOwner(service.id), { kind: 'task', id });
      this.#explain(draft, stored, service.problems.join('; ') || 'waiting for addresses and ports of the service');
      return;
    }
    const attach = () =>
      attachTask(this.#ledger, task, {
        byId: (networkId) => draft.get('network', networkId),
        ingress: () => this.#networks.ingress(),
        lessee: (network) => (task.nodeId === '' ? undefined : this.#lease(draft, task.nodeId, network)),
      });
    const first = attach();
    const networks = isBlocked(first) && this.#grow(draft, first.blockedBy) ? attach() : first;
    if (isBlocked(networks)) {
      // Only on what it lacks: two that wait for one network would else wake each other by what they give back.
      this.#agenda.wait(this.#reasonOf(task, networks.blockedBy), { kind: 'task', id });
      if (!isPlaced)
        this.#agenda.freed(this.#ledger.release(taskOwner(id)).filter((networkId) => networkId !== networks.blockedBy));
      this.#explain(draft, stored, networks.why);
      return;
    }
    if (isPlaced) {
      draft.update('task', {
        ...stored,
        networks,
        status: { ...stored.status, message: 'addresses given', error: '' },
      });
      return;
    }
    // An attachment is where its container is: there is nothing to schedule.
    const [state, message] = isAttachment(stored)
      ? ([TaskState.ASSIGNED, 'addresses given'] as const)
      : ([TaskState.PENDING, 'pending task scheduling'] as const);
    const status = TaskStatus.create({ state, timestamp: this.#options.clock.now(), message });
    draft.update('task', { ...task, networks, status });
  }

  #explain(draft: WriteView, task: Task, why: string): void {
    if (task.status.error === why) return;
    const timestamp = this.#options.clock.now();
    draft.update('task', { ...task, status: { ...task.status, timestamp, message: 'pending allocation', error: why } });
  }

  /** @param networkId undefined for an ingress network yet to come */
  #reasonOf(task: Task, networkId: string | undefined): string {
    if (networkId === undefined) return INGRESS;
    const network = this.#networks.get(networkId);
    const asks = task.spec.networks.some(({ target, addresses }) => target === networkId && addresses.length > 0);
    return asks || (network && isRouted(network)) ? changesIn(networkId) : networkId;
  }

  #newLedger(): AddressLedger {
    return new AddressLedger((owner) => describeOwner(this.#options.store.view(), owner));
  }

  get #resources(): ServiceResources {
    return this.#resourcesOf(this.#options.store.view());
  }

  #resourcesOf(view: ReadView): ServiceResources {
    return {
      ledger: this.#ledger,
      ports: this.#ports,
      network: (id) => this.#networks.get(id),
      serviceName: (id) => view.get('service', id)?.spec.name ?? id,
    };
  }
}

/** Of a routed network a task gets its address when it has its node. */
function isPlacedWithout(task: Task): boolean {
  return task.status.state === TaskState.ASSIGNED && lacksAddress(task);
}

/** Where a manager listens; 0 for a worker. */
function controlPort({ managerStatus }: Node): number {
  return Number(/:(\d+)$/.exec(managerStatus?.address ?? '')?.[1] ?? 0);
}
