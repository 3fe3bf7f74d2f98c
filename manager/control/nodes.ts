import type { Clock } from '../../lib/clock.js';
import { failedPrecondition, invalidArgument } from '../../lib/errors.js';
import { hasLabel, predicate, type Test } from '../../lib/filters.js';
import {
  type ControlService,
  type Node,
  NodeAvailabilityName,
  NodeRole,
  NodeState,
  TaskState,
} from '../../proto/gen/index.js';
import type { Handlers } from '../../proto/rpc/server.js';
import type { ReadView, Store, WriteView } from '../store/store.js';
import { oneOf, startsWith } from './filters.js';
import { redact } from './redact.js';
import { resolve } from './refs.js';
import { checkLabels } from './validate/names.js';

type NodeHandlers = Pick<Handlers<typeof ControlService>, 'listNodes' | 'getNode' | 'updateNode' | 'removeNode'>;

const TESTS: Readonly<Record<string, Test<Node>>> = {
  id: startsWith((node) => node.id),
  name: startsWith((node) => node.description.hostname),
  role: oneOf('role', { worker: NodeRole.WORKER, manager: NodeRole.MANAGER }, (node) => node.role),
  membership: oneOf('membership', { accepted: true, pending: false }, () => true),
  label: (node, value) => hasLabel(node.description.engine.labels, value),
  'node.label': (node, value) => hasLabel(node.spec.labels, value),
};

/** How a node ceases to be a manager. */
export interface Managers {
  /** Resolves when it is known which managers answer, which a new leader has yet to learn. */
  informed(signal: AbortSignal): Promise<void>;
  /** @throws FAILED_PRECONDITION with the reason why the swarm needs this manager */
  checkDismissal(view: ReadView, node: Node): void;
  /** Resolves when the node is a worker and out of the group. @throws FAILED_PRECONDITION likewise */
  dismiss(nodeId: string, signal: AbortSignal): Promise<void>;
}

export function nodeHandlers(store: Store, clock: Clock, managers: Managers): NodeHandlers {
  return {
    async listNodes({ filters }) {
      const nodes = [...store.view().list('node')].filter(predicate(filters, TESTS));
      return { nodes: nodes.map((node) => redact('node', node)) };
    },

    async getNode({ ref }) {
      return { node: redact('node', resolve(store.view(), 'node', ref)) };
    },

    async updateNode({ id, version, spec }, context) {
      checkLabels(spec.labels);
      if (!Object.hasOwn(NodeAvailabilityName, spec.availability)) {
        throw invalidArgument(`availability ${spec.availability} is not known`, {
          value: String(spec.availability),
          hint: 'One of active, pause, drain.',
        });
      }
      const found = resolve(store.view(), 'node', id);
      if (spec.desiredRole === NodeRole.WORKER && found.role === NodeRole.MANAGER) {
        await managers.informed(context.signal);
      }
      await store.update((draft) => {
        const node = resolve(draft, 'node', found.id);
        if (spec.desiredRole === NodeRole.WORKER && node.spec.desiredRole === NodeRole.MANAGER) {
          managers.checkDismissal(draft, node);
        }
        draft.update('node', { ...node, spec, meta: { ...node.meta, version } });
      }, context.requestId);
      return { node: redact('node', resolve(store.view(), 'node', found.id)) };
    },

    async removeNode({ ref, force }, context) {
      const { id, role } = resolve(store.view(), 'node', ref);
      if (force && role === NodeRole.MANAGER) await managers.dismiss(id, context.signal);
      // First nothing new may be placed on it, nor its agent come back. Then the tasks go: nobody is
      // left to report on them. They are many, the node is one, so the node goes last and alone.
      await store.update((draft) => {
        const node = resolve(draft, 'node', id);
        checkIsRemovable(node, force);
        draft.update('node', shutOut(node, clock.now()));
      }, context.requestId);
      const tasks = [...store.view().tasksOfNode(id)].map((task) => task.id);
      const { failed } = await store.batch(tasks, abandonTask, context.requestId);
      for (const error of failed.values()) throw error;
      await store.update((draft) => {
        const node = resolve(draft, 'node', id);
        checkIsRemovable(node, force);
        draft.remove('node', id);
      }, context.requestId);
      return {};
    },
  };
}

function checkIsRemovable(node: Node, force: boolean): void {
  const name = node.description.hostname || node.id;
  if (node.role === NodeRole.MANAGER) {
    throw failedPrecondition(`node ${name} is a manager and cannot be removed`, {
      value: name,
      hint: `Demote it to a worker first ("tsswarm node demote ${name}"), or remove it with --force.`,
    });
  }
  if (force || node.status.state === NodeState.DOWN) return;
  throw failedPrecondition(`node ${name} is not down and cannot be removed`, {
    value: name,
    hint: 'Run "tsswarm leave" on that node first, or remove it with --force.',
  });
}

/** DOWN, and without the credential by which its agent could open another session. */
function shutOut(node: Node, now: number): Node {
  const since = node.status.state === NodeState.DOWN ? node.status.since : now;
  const status = { ...node.status, state: NodeState.DOWN, message: 'the node is being removed', since };
  return { ...node, status, credentialDigest: new Uint8Array(0) };
}

function abandonTask(draft: WriteView, taskId: string): void {
  const task = draft.get('task', taskId);
  if (!task || task.status.state > TaskState.RUNNING) return;
  const status = { ...task.status, state: TaskState.ORPHANED, message: 'its node was removed from the swarm' };
  draft.update('task', { ...task, status });
}
