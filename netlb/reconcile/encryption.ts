/** IPsec in the node's namespace: reading what is there, and changing it. */
import { directionKey } from '../../lib/overlay-keys.js';
import { ENCRYPTION_MARK, ICV_BITS } from '../blueprint/encryption.js';
import { isKernelError } from '../kernel/errors.js';
import type { NetlinkRequest } from '../kernel/messages.js';
import type { NetNamespace } from '../kernel/namespace.js';
import { kernelError, NETLINK_XFRM, NetlinkSocket } from '../kernel/netlink.js';
import {
  deleteSecurityAssociation,
  associationName,
  deleteSecurityPolicy,
  dumpSecurityAssociations,
  dumpSecurityPolicies,
  newSecurityAssociation,
  parseSecurityAssociation,
  parseSecurityPolicy,
  setSecurityPolicy,
} from '../kernel/xfrm.js';
import type { ActualEncryption } from '../plan/encryption.js';
import type { Operation } from '../plan/operation.js';

type EncryptionOperation = Extract<
  Operation,
  { kind: 'add-associations' | 'remove-associations' | 'set-policies' | 'remove-policies' }
>;

/** Associations and policies of one namespace. Close it. */
export class EncryptionSocket {
  readonly #socket: NetlinkSocket | undefined;

  /** Where the kernel has no IPsec there is nothing to be read. */
  constructor(namespace: NetNamespace) {
    try {
      this.#socket = new NetlinkSocket({ namespace, protocol: NETLINK_XFRM });
    } catch (error) {
      if (!isKernelError(error, 'EPROTONOSUPPORT')) throw error;
    }
  }

  read(): ActualEncryption {
    const socket = this.#socket;
    if (!socket) return { associations: [], policies: [] };
    return {
      associations: socket
        .dump(dumpSecurityAssociations, 'list security associations')
        .flatMap((message) => parseSecurityAssociation(message) ?? []),
      policies: socket
        .dump(dumpSecurityPolicies, 'list security policies')
        .flatMap((message) => parseSecurityPolicy(message) ?? []),
    };
  }

  /** @throws KernelError the first refusal, after all were tried */
  change(operation: EncryptionOperation): void {
    const changes = changesOf(operation);
    const failures = this.#socket?.batch(changes.map(({ request }) => request)) ?? [];
    const gone = operation.kind.startsWith('remove') ? [ESRCH, ENOENT] : [];
    const refused = failures.find(({ errno }) => !gone.includes(errno));
    if (refused) throw kernelError(changes[refused.index]?.words ?? operation.kind, refused);
  }

  close(): void {
    this.#socket?.close();
  }
}

const ENOENT = 2;
const ESRCH = 3;

function changesOf(operation: EncryptionOperation): { readonly request: NetlinkRequest; readonly words: string }[] {
  switch (operation.kind) {
    case 'add-associations':
      return operation.associations.map(({ groupKey, ...id }) => ({
        words: `add security association ${associationName(id)}`,
        request: newSecurityAssociation(
          { ...id, reqid: ENCRYPTION_MARK, icvBits: ICV_BITS },
          directionKey(groupKey.reveal(), id.source, id.destination),
        ),
      }));
    case 'remove-associations':
      return operation.associations.map((id) => ({
        words: `remove security association ${associationName(id)}`,
        request: deleteSecurityAssociation(id),
      }));
    case 'set-policies':
      return operation.policies.map((policy) => ({
        words: `set security policy ${associationName(policy)}`,
        request: setSecurityPolicy(policy),
      }));
    case 'remove-policies':
      return operation.policies.map((policy) => ({
        words: `remove security policy ${associationName(policy)}`,
        request: deleteSecurityPolicy(policy),
      }));
  }
}
