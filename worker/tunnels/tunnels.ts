import { setMaxListeners } from 'node:events';
import { codeOf, failedPrecondition, messageOf, notFound, SwarmError } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import { Outbox } from '../../lib/outbox.js';
import {
  TunnelAnswer,
  TunnelComing,
  TunnelEnd,
  type TunnelQuestion,
  type TunnelRequest,
  TunnelsService,
} from '../../proto/gen/index.js';
import { Channel } from '../../proto/rpc/client.js';
import type { NodeCredential } from '../../proto/rpc/credentials.js';
import { toRelayed } from '../../proto/rpc/relayed-error.js';
import { untilAborted } from '../group.js';
import { answers, type Callable } from './calls.js';
import { Requests } from './requests.js';

export interface TunnelsOptions {
  readonly containers: Callable;
  readonly credential: NodeCredential;
  readonly log: Logger;
  /** Whether a task has a container here. */
  has(taskId: string): boolean;
  /** Whether this address is a manager's: this node's credential is shown to no others. */
  knows(manager: string): boolean;
}

/** This node's ends of tunnels, by which operators at managers reach containers of its tasks. */
export class Tunnels {
  readonly #options: TunnelsOptions;
  readonly #open = new Map<string, Promise<void>>();
  #signal: AbortSignal | undefined;

  constructor(options: TunnelsOptions) {
    this.#options = options;
  }

  /** Tunnels are made until the signal aborts, which ends them; resolves when all have ended. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    await untilAborted(signal);
    await Promise.all(this.#open.values());
  }

  /**
   * Begins to make a tunnel. Asked twice, as across a change of leader, it makes one.
   * @throws NOT_FOUND when the task has no container here, FAILED_PRECONDITION for a manager that is not known
   */
  open(question: TunnelQuestion): TunnelComing {
    const { tunnelId, taskId, manager } = question;
    const { has, knows } = this.#options;
    if (!has(taskId)) throw notFound(`task ${taskId} has no container on this node`, { value: taskId });
    if (!knows(manager))
      throw failedPrecondition(`the node does not know of a manager at ${manager} yet: try again`, { value: manager });
    const signal = this.#signal;
    if (!signal || signal.aborted) throw failedPrecondition('the node is just starting, or is stopping');
    if (!this.#open.has(tunnelId))
      this.#open.set(
        tunnelId,
        this.#serve(question, signal).finally(() => this.#open.delete(tunnelId)),
      );
    return TunnelComing.create();
  }

  async #serve({ tunnelId, taskId, manager }: TunnelQuestion, stop: AbortSignal): Promise<void> {
    const { credential } = this.#options;
    const log = this.#options.log.child({ tunnel: tunnelId, task: taskId, manager });
    const channel = new Channel(manager, credential);
    const outbox = new Outbox<TunnelAnswer>();
    const requests = new Requests((answer) => void outbox.send(answer));
    const gone = new AbortController();
    setMaxListeners(0, stop);
    let work: Promise<void> | undefined;
    void outbox.send(TunnelAnswer.create({ tunnelId }));
    try {
      for await (const request of channel.stubs(TunnelsService).serve(outbox, { signal: stop })) {
        if (!work) log.info({ call: callOf(request) }, 'tunnel opened');
        requests.push(request);
        work ??= this.#answer(taskId, requests, outbox, gone.signal);
      }
      log.info({}, 'tunnel ended');
    } catch (error) {
      log.info({ code: codeOf(error) }, `tunnel ended: ${messageOf(error)}`);
    } finally {
      requests.fail(new SwarmError('CANCELLED', 'the operator has gone'));
      gone.abort();
      outbox.end();
      await work;
      channel.close();
    }
  }

  /** Does the call, as fast as the manager takes what comes of it, until it has ended or nobody is there any more. */
  async #answer(taskId: string, requests: Requests, outbox: Outbox<TunnelAnswer>, signal: AbortSignal): Promise<void> {
    const { containers, log } = this.#options;
    const context = { signal, peer: '', credential: undefined, requestId: '' };
    let end = TunnelEnd.create();
    try {
      for await (const answer of answers(containers, taskId, requests[Symbol.asyncIterator](), context))
        if (!(await outbox.send(answer))) return;
    } catch (error) {
      end = TunnelEnd.create({ error: toRelayed(error) });
      if (codeOf(error) === 'INTERNAL') log.error({ task: taskId, err: error }, `call failed: ${messageOf(error)}`);
    }
    await outbox.send(TunnelAnswer.create({ end }));
  }
}

const callOf = ({ exec, attach }: TunnelRequest): string => (exec ? 'exec' : attach ? 'attach' : 'cp');
