import { type Deferred, deferred } from '../../lib/async.js';
import type { Clock } from '../../lib/clock.js';
import { notFound, SwarmError, unavailable } from '../../lib/errors.js';
import { newId } from '../../lib/ids.js';
import {
  type InspectionBrokerService,
  type Node,
  type NodeAnswer,
  NodeQuestion,
  NodeState,
} from '../../proto/gen/index.js';
import { errorCodeOf } from '../../proto/rpc/errors.js';
import type { CallContext, Handlers } from '../../proto/rpc/server.js';
import { NodeQueues } from '../common/node-queues.js';
import { resolve } from '../control/refs.js';
import type { Store } from '../store/store.js';

export interface InspectionBrokerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly authenticate: (context: CallContext) => Node;
}

/** A question that its node has not answered. */
interface Open {
  readonly question: NodeQuestion;
  readonly node: Node;
  readonly answer: Deferred<NodeAnswer>;
  /** Whether the node has it: what broke off is not asked twice. */
  asked: boolean;
}

/** Milliseconds in which a node that should be there may connect. */
const CONNECT_PATIENCE = 3_000;
/** For an answer, where the question does not say. */
const DEFAULT_TIMEOUT = 10_000;
const MAX_TIMEOUT = 60_000;

/** Brings questions of operators to nodes, and their answers back. Of use on the manager that leads. */
export class InspectionBroker {
  readonly #options: InspectionBrokerOptions;
  readonly #open = new Map<string, Open>();
  readonly #nodes = new NodeQueues<NodeQuestion>();

  constructor(options: InspectionBrokerOptions) {
    this.#options = options;
  }

  handlers(): Handlers<typeof InspectionBrokerService> {
    return {
      questions: (_request, context) => this.#serveNode(context),
      answer: async (answer, context) => {
        const node = this.#options.authenticate(context);
        const open = this.#open.get(answer.questionId);
        if (open?.node.id !== node.id) throw notFound('nobody waits for this answer any more');
        open.answer.resolve(answer);
        return {};
      },
    };
  }

  /**
   * Asks one node.
   * @param ref id or name of the node
   * @throws NOT_FOUND for no such node, UNAVAILABLE when it is down, not connected or silent, or what it answers
   */
  async ask(ref: string, question: NodeQuestion, signal: AbortSignal): Promise<NodeAnswer> {
    const { store, clock } = this.#options;
    const node = resolve(store.view(), 'node', ref);
    if (node.status.state === NodeState.DOWN) throw silent(node, 'is down');
    const timeout = Math.min(question.timeoutMs || DEFAULT_TIMEOUT, MAX_TIMEOUT);
    const id = newId();
    const asked = NodeQuestion.create({ ...question, id, timeoutMs: timeout });
    const open: Open = { question: asked, node, answer: deferred(), asked: false };
    this.#open.set(id, open);
    const cancels = [
      clock.after(timeout, () => open.answer.reject(silent(node, `did not answer within ${timeout / 1000} s`))),
      clock.after(CONNECT_PATIENCE, () => {
        if (!open.asked) open.answer.reject(silent(node, 'is not connected'));
      }),
    ];
    const gone = () => open.answer.reject(new SwarmError('CANCELLED', 'who asked has gone'));
    signal.addEventListener('abort', gone, { once: true });
    this.#send(open);
    try {
      return granted(await open.answer.promise);
    } finally {
      this.#open.delete(id);
      signal.removeEventListener('abort', gone);
      for (const cancel of cancels) cancel();
    }
  }

  #send(open: Open): void {
    open.asked = this.#nodes.send(open.node.id, open.question);
  }

  async *#serveNode(context: CallContext): AsyncGenerator<NodeQuestion> {
    const node = this.#options.authenticate(context);
    yield* this.#nodes.serve(node.id, context.signal, {
      connected: () => {
        for (const open of this.#openOf(node.id)) if (!open.asked) this.#send(open);
      },
      lost: () => {
        for (const open of this.#openOf(node.id))
          if (open.asked) open.answer.reject(silent(open.node, 'was disconnected before it answered'));
      },
    });
  }

  #openOf(nodeId: string): Open[] {
    return [...this.#open.values()].filter(({ node }) => node.id === nodeId);
  }
}

/** @throws the node's own error */
function granted(answer: NodeAnswer): NodeAnswer {
  if (answer.errorCode === '') return answer;
  throw new SwarmError(errorCodeOf(answer.errorCode), answer.error, answer.hint === '' ? {} : { hint: answer.hint });
}

function silent(node: Node, what: string): SwarmError {
  const name = node.description.hostname || node.id;
  return unavailable(`node ${name} ${what}: it cannot be asked`, { value: name });
}
