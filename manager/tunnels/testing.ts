import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import { AsyncQueue } from '../../lib/async.js';
import { ManualClock } from '../../lib/clock.js';
import type { SwarmError } from '../../lib/errors.js';
import { newId } from '../../lib/ids.js';
import { silentLogger } from '../../lib/log.js';
import {
  ManagerStatus,
  NodeState,
  NodeStatus,
  Task,
  TaskAccessService,
  TaskState,
  TaskStatus,
  TunnelAnswer,
  type TunnelQuestion,
  TunnelsService,
} from '../../proto/gen/index.js';
import { Channel } from '../../proto/rpc/client.js';
import { RpcServer } from '../../proto/rpc/server.js';
import { authenticate } from '../join/authenticate.js';
import { sha256 } from '../join/tokens.js';
import { openTestStore } from '../store/testing.js';
import { testNode } from '../testing/objects.js';
import { Rendezvous } from './rendezvous.js';
import { TaskAccess } from './task-access.js';

const MANAGER = '203.0.113.1:2377';

/** A manager's tunnels behind a socket, and what its nodes are asked. */
export async function serveTunnels() {
  const folder = mkdtempSync(path.join(tmpdir(), 'tunnels-'));
  const clock = new ManualClock();
  const store = await openTestStore({ clock });
  const manager = testNode('manager', { managerStatus: ManagerStatus.create({ address: MANAGER }) });
  await store.update((draft) => draft.create('node', manager));
  const asked = new AsyncQueue<TunnelQuestion>();
  const refusals: SwarmError[] = [];
  const rendezvous = new Rendezvous((context) => authenticate(store, context));
  const access = new TaskAccess({
    store,
    clock,
    log: silentLogger,
    rendezvous,
    nodeId: manager.id,
    barrier: async () => undefined,
    ask: async (_node, { tunnel }) => {
      if (tunnel) asked.push(tunnel);
      const refusal = refusals.shift();
      if (refusal) throw refusal;
    },
  });
  const server = new RpcServer(silentLogger);
  server.add(TunnelsService, rendezvous.handlers);
  server.add(TaskAccessService, access.handlers);
  const target = `unix://${folder}/s`;
  await server.listen(target);
  const operator = new Channel(target);
  const channels = [operator];
  onTestFinished(() => {
    for (const channel of channels) channel.close();
    server.close();
    rmSync(folder, { recursive: true });
  });

  const questions = asked[Symbol.asyncIterator]();
  return {
    clock,
    /** What nodes answer to the next questions instead of coming. */
    refusals,
    operator: operator.stubs(TaskAccessService),
    /** What a node is asked next. */
    question: async (): Promise<TunnelQuestion> => (await questions.next()).value,
    /** A node of the swarm. `come` calls Serve with this id; what it sends is pushed to `answers`. */
    node: async (name: string, state: NodeState = NodeState.READY) => {
      const secret = Buffer.from(name);
      const status = NodeStatus.create({ state });
      const node = testNode(name, { credentialDigest: sha256(secret), status });
      await store.update((draft) => draft.create('node', node));
      const come = (tunnelId: string) => {
        const channel = new Channel(target, { nodeId: node.id, secret });
        channels.push(channel);
        const answers = new AsyncQueue<TunnelAnswer>();
        answers.push(TunnelAnswer.create({ tunnelId }));
        const end = new AbortController();
        const requests = channel.stubs(TunnelsService).serve(answers, { signal: end.signal })[Symbol.asyncIterator]();
        return { answers, requests, leave: () => end.abort() };
      };
      return { id: node.id, come };
    },
    task: async (nodeId: string, state: TaskState = TaskState.RUNNING, fields: Partial<TaskStatus> = {}) => {
      const status = TaskStatus.create({ state, ...fields });
      const task = Task.create({ id: newId(), serviceName: 'web', slot: 1, nodeId, status });
      await store.update((draft) => draft.create('task', task));
      return task.id;
    },
  };
}
