import { notFound } from '../../lib/errors.js';
import type { Node, TunnelAnswer, TunnelRequest, TunnelsService } from '../../proto/gen/index.js';
import type { CallContext, Handlers } from '../../proto/rpc/server.js';
import type { Tunnel } from './tunnel.js';

/** Where nodes find the tunnels that they were told to make: each once, and nobody else's. */
export class Rendezvous {
  readonly #authenticate: (context: CallContext) => Node;
  readonly #expected = new Map<string, Tunnel>();

  readonly handlers: Handlers<typeof TunnelsService> = {
    serve: (messages, context) => this.#serve(messages, context),
  };

  constructor(authenticate: (context: CallContext) => Node) {
    this.#authenticate = authenticate;
  }

  /** From now on the tunnel's node may come, until the returned function is called. */
  expect(tunnel: Tunnel): () => void {
    this.#expected.set(tunnel.id, tunnel);
    return () => void this.#expected.delete(tunnel.id);
  }

  async *#serve(messages: AsyncIterable<TunnelAnswer>, context: CallContext): AsyncGenerator<TunnelRequest> {
    const node = this.#authenticate(context);
    const answers = messages[Symbol.asyncIterator]();
    const first = await answers.next();
    yield* this.#take(node, first.done ? undefined : first.value.tunnelId).serve(answers);
  }

  /** @throws NOT_FOUND */
  #take(node: Node, id: string | undefined): Tunnel {
    const tunnel = id === undefined ? undefined : this.#expected.get(id);
    if (tunnel?.node.id !== node.id) throw notFound('nobody waits for this tunnel any more');
    this.#expected.delete(tunnel.id);
    return tunnel;
  }
}
