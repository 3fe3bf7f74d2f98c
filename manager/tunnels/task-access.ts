import type { Clock } from '../../lib/clock.js';
import { codeOf, messageOf, SwarmError, unavailable } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import {
  type CopyToResponse,
  type Node,
  NodeQuestion,
  NodeState,
  type Task,
  type TaskAccessService,
  TunnelQuestion,
  TunnelRequest,
} from '../../proto/gen/index.js';
import type { CallContext, Handlers } from '../../proto/rpc/server.js';
import { taskName } from '../../proto/task-names.js';
import { resolve } from '../control/refs.js';
import type { Store } from '../store/store.js';
import { Opened, unopened } from './opened.js';
import type { Rendezvous } from './rendezvous.js';
import { Tunnel } from './tunnel.js';
import { checkReachable, cutOff, nameOf, type Wanted } from './wanted.js';

export interface TaskAccessOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly rendezvous: Rendezvous;
  /** Of this manager. */
  readonly nodeId: string;
  /** Resolves when all that was acknowledged anywhere is applied here. */
  readonly barrier: () => Promise<void>;
  /** Has a node asked by the leader. @throws UNAVAILABLE when it cannot be asked, or the node's own error */
  readonly ask: (node: Node, question: NodeQuestion, caller: CallContext) => Promise<unknown>;
}

/** Milliseconds in which a node that has said that it comes is there. */
const JOIN_PATIENCE = 5_000;
/** Milliseconds until one that was not ready yet is asked again. */
const NOT_READY_PAUSE = 100;

/** Terminals, processes and files of tasks on any node, as a manager offers them to the operators of its machine. */
export class TaskAccess {
  readonly #options: TaskAccessOptions;

  constructor(options: TaskAccessOptions) {
    this.#options = options;
  }

  readonly handlers: Handlers<typeof TaskAccessService> = {
    exec: (messages, context) => this.#exec(messages, context),
    attach: (messages, context) => this.#attach(messages, context),
    copyFrom: (request, context) => this.#copyFrom(request, context),
    copyTo: (messages, context) => this.#copyTo(messages, context),
  };

  async *#exec(...[messages, context]: Arguments<'exec'>) {
    const input = await Opened.read(messages);
    const { open } = input.first;
    if (!open) throw unopened();
    const wanted: Wanted = { ref: open.ref, call: 'exec', running: true, program: open.command[0] };
    const requests = input.map((exec) => TunnelRequest.create({ exec }));
    for await (const { process } of this.#through(wanted, requests, context)) if (process) yield process;
  }

  async *#attach(...[messages, context]: Arguments<'attach'>) {
    const input = await Opened.read(messages);
    const { open } = input.first;
    if (!open) throw unopened();
    const requests = input.map((attach) => TunnelRequest.create({ attach }));
    const wanted: Wanted = { ref: open.ref, call: 'attach', running: true };
    for await (const { process } of this.#through(wanted, requests, context)) if (process) yield process;
  }

  async *#copyFrom(...[request, context]: Arguments<'copyFrom'>) {
    const requests = (async function* () {
      yield TunnelRequest.create({ copyFrom: request });
    })();
    const wanted: Wanted = { ref: request.ref, call: 'cp', running: false };
    for await (const { copyFrom } of this.#through(wanted, requests, context)) if (copyFrom) yield copyFrom;
  }

  async #copyTo(...[messages, context]: Arguments<'copyTo'>) {
    const input = await Opened.read(messages);
    const requests = input.map((copyTo) => TunnelRequest.create({ copyTo }));
    const wanted: Wanted = { ref: input.first.ref, call: 'cp', running: false };
    let copied: CopyToResponse | undefined;
    for await (const { copyTo } of this.#through(wanted, requests, context)) copied ??= copyTo;
    if (!copied) throw gone();
    return copied;
  }

  /** What the task's node answers, while it is given the requests. */
  async *#through(wanted: Wanted, requests: AsyncGenerator<TunnelRequest>, context: CallContext) {
    const { log } = this.#options;
    const { task, node } = await this.#find(wanted);
    const tunnel = new Tunnel(node, requests);
    const close = () => tunnel.close();
    if (context.signal.aborted) throw gone();
    context.signal.addEventListener('abort', close, { once: true });
    let outcome = 'the operator has gone';
    const ids = { tunnel: tunnel.id, call: wanted.call, task: task.id, service: task.serviceName, node: node.id };
    try {
      await this.#join(tunnel, task, context);
      // The id has opened the tunnel: it is no secret any more.
      log.info({ ...ids, program: wanted.program }, 'tunnel opened');
      yield* tunnel.answers((cause) => cutOff(node, wanted, cause));
      if (!context.signal.aborted) outcome = 'done';
    } catch (error) {
      outcome = messageOf(error);
      throw error;
    } finally {
      log.info(ids, `tunnel ended: ${outcome}`);
      context.signal.removeEventListener('abort', close);
      tunnel.close();
    }
  }

  async #find(wanted: Wanted): Promise<{ task: Task; node: Node }> {
    const { store, barrier } = this.#options;
    await barrier();
    const view = store.view();
    const task = resolve(view, 'task', wanted.ref);
    checkReachable(task, wanted);
    const node = view.get('node', task.nodeId);
    if (!node)
      throw unavailable(`node ${task.nodeId} of task ${taskName(task)} is not in the swarm any more`, {
        value: task.nodeId,
      });
    if (node.status.state === NodeState.DOWN)
      throw unavailable(`node ${nameOf(node)} of task ${taskName(task)} is down`, { value: nameOf(node) });
    return { task, node };
  }

  /** @throws UNAVAILABLE when the node cannot be asked or does not come, or its own error */
  async #join(tunnel: Tunnel, task: Task, context: CallContext): Promise<void> {
    const { store, clock, nodeId, rendezvous } = this.#options;
    const manager = store.view().get('node', nodeId)?.managerStatus?.address;
    if (!manager) throw unavailable('this manager is just joining, or leaving: nodes do not know it');
    const { node, id } = tunnel;
    const question = NodeQuestion.create({ tunnel: TunnelQuestion.create({ tunnelId: id, taskId: task.id, manager }) });
    const giveUp = () => tunnel.fail(gone());
    context.signal.addEventListener('abort', giveUp, { once: true });
    const settled = new AbortController();
    const come = async () => {
      await this.#ask(node, question, context, settled.signal);
      await clock.sleep(JOIN_PATIENCE, settled.signal);
      const words = `node ${nameOf(node)} did not reach this manager at ${manager} within ${JOIN_PATIENCE / 1000} s`;
      throw unavailable(words, { value: nameOf(node) });
    };
    const forget = rendezvous.expect(tunnel);
    // Without effect once the node is there.
    come().catch((error: unknown) => tunnel.fail(error));
    try {
      await tunnel.joined();
    } finally {
      settled.abort();
      forget();
      context.signal.removeEventListener('abort', giveUp);
    }
  }

  /** Again while the node is not ready to come: a manager's address reaches nodes some time after it has joined. */
  async #ask(node: Node, question: NodeQuestion, context: CallContext, signal: AbortSignal): Promise<void> {
    const { clock, ask } = this.#options;
    for (const deadline = clock.monotonic() + JOIN_PATIENCE; ; await clock.sleep(NOT_READY_PAUSE, signal)) {
      try {
        await ask(node, question, context);
        return;
      } catch (error) {
        if (codeOf(error) !== 'FAILED_PRECONDITION' || clock.monotonic() >= deadline) throw error;
      }
    }
  }
}

const gone = () => new SwarmError('CANCELLED', 'the operator has gone');

type Arguments<K extends keyof typeof TaskAccessService> = Parameters<Handlers<typeof TaskAccessService>[K]>;
