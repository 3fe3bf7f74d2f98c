/**
 * `SWMTKN-1-<digest>-<secret>`: the digest, 50 digits of base36, names the swarm by its root certificate, so that a
 * node cannot be drawn into another swarm; the secret, 25 digits, is the right to join in one role.
 */
export const JOIN_TOKEN = /^SWMTKN-1-([0-9a-z]{50})-([0-9a-z]{25})$/;

/** What to say of a text that is none. It is not repeated: it may be most of a secret. */
export const JOIN_TOKEN_HINT = 'A join token looks like SWMTKN-1-<50 characters>-<25 characters>.';
