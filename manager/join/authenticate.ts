import { timingSafeEqual } from 'node:crypto';
import { permissionDenied, unauthenticated } from '../../lib/errors.js';
import type { Node } from '../../proto/gen/index.js';
import type { CallContext } from '../../proto/rpc/server.js';
import type { Store } from '../store/store.js';
import { sha256 } from './tokens.js';

/**
 * The node that makes a call.
 * @throws UNAUTHENTICATED when the caller does not prove to be any node
 * @throws PERMISSION_DENIED when it proves to be one that has left or was removed
 */
export function authenticate(store: Store, context: Pick<CallContext, 'credential'>): Node {
  const claim = context.credential;
  if (!claim) throw unauthenticated('this call needs the credential of a node of the swarm');
  const node = store.view().get('node', claim.nodeId);
  if (!node || node.credentialDigest.length === 0) {
    throw permissionDenied(`node ${claim.nodeId} is not part of this swarm: it has left or was removed`, {
      value: claim.nodeId,
      hint: 'To make it a node again, run "tsswarm leave --force" there and join it anew.',
    });
  }
  if (!provesToBe(node, claim.secret)) {
    throw unauthenticated(`the credential is not that of node ${claim.nodeId}`, { value: claim.nodeId });
  }
  return node;
}

export function provesToBe(node: Node, secret: Uint8Array): boolean {
  const digest = sha256(secret);
  return node.credentialDigest.length === digest.length && timingSafeEqual(digest, node.credentialDigest);
}
