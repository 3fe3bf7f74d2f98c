import { messageOf } from '../lib/errors.js';
import { encryptionChains } from './blueprint/encryption.js';
import { inThrowAwayNamespace, type NetNamespace } from './kernel/namespace.js';
import { NETLINK_XFRM, NetlinkSocket } from './kernel/netlink.js';
import { newSecurityAssociation, setSecurityPolicy } from './kernel/xfrm.js';
import { makeTable } from './nft/make.js';

/**
 * Tries all that encrypted overlays need, in a throw-away namespace.
 * @throws KernelError, NftablesError
 */
export function tryEncryption(namespace: NetNamespace): void {
  const socket = new NetlinkSocket({ namespace, protocol: NETLINK_XFRM });
  try {
    const id = { source: '192.0.2.1', destination: '192.0.2.2', spi: 4096, reqid: 1 };
    const association = newSecurityAssociation({ ...id, icvBits: 128 }, Buffer.alloc(20, 7));
    socket.execute(association, 'add security association esp rfc4106(gcm(aes))');
    socket.execute(setSecurityPolicy({ ...id, port: 4789, mark: 1 }), 'add security policy by mark');
  } finally {
    socket.close();
  }
  makeTable(namespace, { family: 'ip', name: 'probe_esp', sets: [], chains: encryptionChains([4096], 4789) });
}

/** Why this kernel cannot have encrypted overlays; undefined when it can. @throws KernelError without a namespace to try it in */
export function whyNoEncryption(): string | undefined {
  return inThrowAwayNamespace((namespace) => {
    try {
      tryEncryption(namespace);
      return undefined;
    } catch (error) {
      return messageOf(error);
    }
  });
}
