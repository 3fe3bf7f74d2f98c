import { randomBytes } from 'node:crypto';
import type { Clock } from '../../lib/clock.js';
import { unauthenticated } from '../../lib/errors.js';
import { isId, newId } from '../../lib/ids.js';
import type { Logger } from '../../lib/log.js';
import {
  type BecomeManagerRequest,
  type BecomeManagerResponse,
  type JoinRequest,
  type JoinResponse,
  type JoinService,
  Node,
  NodeRole,
  NodeSpec,
  NodeState,
  NodeStatus,
  TaskState,
} from '../../proto/gen/index.js';
import type { CallContext, Handlers } from '../../proto/rpc/server.js';
import { checkDataPathAddress } from '../common/addresses.js';
import type { Store, WriteView } from '../store/store.js';
import { authenticate, provesToBe } from './authenticate.js';
import { roleOfToken, sha256 } from './tokens.js';

export interface JoinOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly managers: ManagerRoster;
}

/** How nodes become managers and cease to be them. */
export interface ManagerRoster {
  /** Gives a node whose role is manager its place in the group. @throws FAILED_PRECONDITION */
  admit(node: Node, request: BecomeManagerRequest): Promise<BecomeManagerResponse>;
  /** Resolves when the node is a worker and out of the group. @throws FAILED_PRECONDITION when the quorum would be lost */
  dismiss(nodeId: string, signal: AbortSignal): Promise<void>;
}

const SECRET_BYTES = 32;

/** As the leader answers them. */
export function joinHandlers({ store, clock, log, managers }: JoinOptions): Handlers<typeof JoinService> {
  return {
    async joinSwarm(request: JoinRequest, context: CallContext): Promise<JoinResponse> {
      const cluster = store.view().cluster();
      const role = roleOfToken(request.token, cluster.rootCa.digest, cluster.joinTokens);
      const host = hostOf(request.advertiseAddress);
      const dataPathAddress = checkDataPathAddress(request.dataPathAddress || host);
      // A node that joins again keeps its credential, if it is as good as a new one.
      const secret = request.credential.length === SECRET_BYTES ? request.credential : randomBytes(SECRET_BYTES);
      const nodeId = await store.update((draft) => {
        const known = knownNode(draft, request);
        const fields = { description: request.description, dataPathAddress };
        if (known) return draft.update('node', { ...known, ...fields }).id;
        const status = NodeStatus.create({
          state: NodeState.UNKNOWN,
          message: 'joined; its agent has not reported yet',
          address: host,
          since: clock.now(),
        });
        const spec = NodeSpec.create({ availability: request.availability, desiredRole: role });
        const id = newNodeId(draft, request);
        const node = Node.create({ id, ...fields, spec, role, status, credentialDigest: sha256(secret) });
        return draft.create('node', node).id;
      });
      log.info({ node: nodeId, hostname: request.description.hostname, peer: context.peer }, 'node joined');
      return {
        nodeId,
        credential: secret,
        role,
        clusterId: cluster.id,
        managers: managerAddresses(store),
        dataPathPort: cluster.dataPathPort,
      };
    },

    async leaveSwarm(_request, context) {
      const { id, role } = authenticate(store, context);
      if (role === NodeRole.MANAGER) await managers.dismiss(id, context.signal);
      const tasks = [...store.view().tasksOfNode(id)].map((task) => task.id);
      await store.update((draft) => markLeft(draft, id, clock.now()));
      // After the node is DOWN, so that nothing new is placed on it in between.
      await store.batch(tasks, (draft, taskId) => orphan(draft, taskId, clock.now()));
      log.info({ node: id }, 'node left');
      return {};
    },

    async becomeManager(request, context) {
      return managers.admit(authenticate(store, context), request);
    },
  };
}

/** The node that a re-joining machine was; undefined when it is new, or its node was removed. */
function knownNode(draft: WriteView, request: JoinRequest): Node | undefined {
  if (request.nodeId === '') return undefined;
  const node = draft.get('node', request.nodeId);
  if (!node || node.credentialDigest.length === 0) return undefined;
  if (provesToBe(node, request.credential)) return node;
  throw unauthenticated(`the credential is not that of node ${request.nodeId}`, { value: request.nodeId });
}

/** The one that the machine has chosen, so that asking twice makes one node. */
function newNodeId(draft: WriteView, { nodeId }: JoinRequest): string {
  return isId(nodeId) && !draft.get('node', nodeId) ? nodeId : newId();
}

function markLeft(draft: WriteView, id: string, now: number): void {
  const node = draft.get('node', id);
  if (!node) return;
  const status = { ...node.status, state: NodeState.DOWN, message: 'the node has left the swarm', since: now };
  draft.update('node', { ...node, status, credentialDigest: new Uint8Array(0) });
}

/** A task that was to stop there will never report that it did: what it holds is free now. */
function orphan(draft: WriteView, taskId: string, now: number): void {
  const task = draft.get('task', taskId);
  if (!task || task.desiredState <= TaskState.COMPLETE || task.status.state > TaskState.RUNNING) return;
  const status = { ...task.status, state: TaskState.ORPHANED, timestamp: now, message: 'its node has left the swarm' };
  draft.update('task', { ...task, status });
}

/** The host of `host:port`, `[v6]:port` or a bare host. */
function hostOf(address: string): string {
  const match = /^\[([^\]]+)\](?::\d+)?$/.exec(address) ?? /^([^:]+)(?::\d+)?$/.exec(address);
  return match?.[1] ?? address;
}

function managerAddresses(store: Store): string[] {
  return [...store.view().list('node')].flatMap((node) => (node.managerStatus ? [node.managerStatus.address] : []));
}
