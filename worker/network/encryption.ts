import { isEncrypted } from '../../lib/encrypted-option.js';
import { Secret } from '../../lib/secret.js';
import type { Encryption, Overlay } from '../../netlb/state.js';
import type { NetworkKeyRing, NetworkRecord } from '../../proto/gen/index.js';

export const encryptionOf = ({ clock, keys, sending }: NetworkKeyRing): Encryption => ({
  version: clock,
  keys: keys.map(({ time, key }) => ({ time, secret: new Secret(key) })),
  sending,
});

export const encryptedOf = ({ driverOptions }: NetworkRecord): Pick<Overlay, 'encrypted'> =>
  isEncrypted(driverOptions) ? { encrypted: true } : {};
