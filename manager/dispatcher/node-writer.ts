import { isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { Clock } from '../../lib/clock.js';
import { type AcknowledgeRequest, type Node, NodeState, type SessionRequest } from '../../proto/gen/index.js';
import type { Store } from '../store/store.js';
import { Batcher } from './batcher.js';
import { clipProblems } from './clip.js';

interface NodeChange {
  readonly nodeId: string;
  readonly apply: (node: Node) => Node;
}

type Applied = Pick<AcknowledgeRequest, 'problems' | 'networkKeyClock' | 'wornNetworkKey'>;

/**
 * Writes what becomes known of nodes through their sessions, or the lack of them. A node without a
 * credential has left or is being removed: what was under way then comes too late, and it stays DOWN.
 */
export class NodeWriter {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #batcher: Batcher<NodeChange>;

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
    this.#batcher = new Batcher(async (changes) => {
      const { failed } = await store.batch(changes, (draft, { nodeId, apply }) => {
        const node = draft.get('node', nodeId);
        if (node && node.credentialDigest.length > 0) draft.update('node', apply(node));
      });
      return failed;
    });
  }

  /** The node has opened a session: it is ready, and this is what it says of itself. */
  register(nodeId: string, { description, dataPathAddress }: SessionRequest, address: string): Promise<void> {
    return this.#batcher.add({
      nodeId,
      apply: (node) => ({
        ...this.#inState(node, NodeState.READY, '', address),
        description: description.hostname === '' ? node.description : description,
        dataPathAddress: dataPathAddress || node.dataPathAddress,
      }),
    });
  }

  /** @param still asked when it is written: whether it holds */
  setState(nodeId: string, state: NodeState, message: string, still: () => boolean): Promise<void> {
    return this.#batcher.add({ nodeId, apply: (node) => (still() ? this.#inState(node, state, message, '') : node) });
  }

  /** Something that is to be read with the node's state, until that is another. */
  note(nodeId: string, message: string): Promise<void> {
    return this.#batcher.add({ nodeId, apply: (node) => ({ ...node, status: { ...node.status, message } }) });
  }

  /** What the node has said of what its kernel shows. */
  async setApplied(nodeId: string, { problems: said, networkKeyClock, wornNetworkKey }: Applied): Promise<void> {
    const problems = clipProblems(said);
    const known = this.#store.view().get('node', nodeId);
    const isKnown = known?.networkKeyClock === networkKeyClock && known.wornNetworkKey === wornNetworkKey;
    if (isKnown && isDeepStrictEqual(known.problems, problems)) return;
    await this.#batcher.add({ nodeId, apply: (node) => ({ ...node, problems, networkKeyClock, wornNetworkKey }) });
  }

  #inState(node: Node, state: NodeState, message: string, address: string): Node {
    const since = node.status.state === state ? node.status.since : this.#clock.now();
    return { ...node, status: { state, message, since, address: address || node.status.address } };
  }
}

/** The address in gRPC's name of a peer (`ipv4:203.0.113.2:40000`, `203.0.113.2:40000`); empty for a unix socket. */
export function addressOfPeer(peer: string): string {
  const host = peer
    .replace(/^ipv[46]:/, '')
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .replace(/%.*$/, '')
    .replace(/^::ffff:/, '');
  return isIP(host) === 0 ? '' : host;
}
