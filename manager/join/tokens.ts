import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type SwarmError, unauthenticated } from '../../lib/errors.js';
import { base36 } from '../../lib/ids.js';
import { type JoinTokens, NodeRole } from '../../proto/gen/index.js';
import { JOIN_TOKEN, JOIN_TOKEN_HINT } from '../../proto/join-token.js';

/** The part of a token that names the swarm: sha256 of the root certificate, base36, 50 digits. */
export function rootDigest(certificate: Uint8Array): string {
  return base36(createHash('sha256').update(certificate).digest(), 50);
}

export function newToken(digest: string, random: (size: number) => Uint8Array = randomBytes): string {
  return `SWMTKN-1-${digest}-${base36(random(16), 25)}`;
}

/**
 * The role that a token gives the right to. No message repeats the token: it is a secret.
 * @throws UNAUTHENTICATED that tells a malformed token, one of another swarm and a replaced one apart
 */
export function roleOfToken(token: string, digest: string, tokens: JoinTokens): NodeRole {
  const match = JOIN_TOKEN.exec(token.trim());
  if (!match) {
    throw refused('the join token is malformed', JOIN_TOKEN_HINT);
  }
  if (match[1] !== digest) {
    throw refused(
      'the join token is of another swarm',
      'Check the address of the manager, or take the token from "tsswarm swarm join-token worker" on it.',
    );
  }
  // Both are compared, whatever the first one gives, so that the time tells nothing.
  const isManager = sameSecret(token.trim(), tokens.manager);
  const isWorker = sameSecret(token.trim(), tokens.worker);
  if (isManager) return NodeRole.MANAGER;
  if (isWorker) return NodeRole.WORKER;
  throw refused(
    'the join token is not valid any more: it has been replaced by a new one',
    'Take the new one from "tsswarm swarm join-token worker" on a manager.',
  );
}

const refused = (message: string, hint: string): SwarmError => unauthenticated(message, { hint });

function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(sha256(a), sha256(b));
}

export function sha256(data: string | Uint8Array): Buffer {
  return createHash('sha256').update(data).digest();
}
