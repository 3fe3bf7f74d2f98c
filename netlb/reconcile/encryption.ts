/** IPsec in the node's namespace: reading what is there, and changing it. */
import { failedPrecondition } from '../../lib/errors.js';
import { directionKey } from '../../lib/overlay-keys.js';
import { ENCRYPTION_MARK, ICV_BITS } from '../blueprint/encryption.js';
import { isKernelError } from '../kernel/errors.js';
import type { NetlinkRequest } from '../kernel/messages.js';
import type { NetNamespace } from '../kernel/namespace.js';
import { kernelError, NETLINK_XFRM, NetlinkSocket } from '../kernel/netlink.js';
import {
  associationName,
  deleteSecurityAssociation,
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
import { isGone } from './gone.js';

type EncryptionOperation = Extract<
  Operation,
  { kind: 'add-associations' | 'remove-associations' | 'set-policies' | 'remove-policies' }
>;

/** Associations and policies of one namespace. Close it. */
export class EncryptionSocket {
  readonly #namespace: NetNamespace;
  #socket: NetlinkSocket | undefined;
  #asked = false;

  constructor(namespace: NetNamespace) {
    this.#namespace = namespace;
  }

  /** Where the kernel has no IPsec there is nothing to be read. */
  read(): ActualEncryption {
    // Asked for once: a kernel without IPsec looks for a module each time.
    const socket = this.#asked ? this.#socket : this.#open();
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

  /** @throws KernelError the first refusal, after all were tried; FAILED_PRECONDITION when the kernel has no IPsec */
  change(operation: EncryptionOperation): void {
    const socket = this.#open();
    if (!socket) throw failedPrecondition('this kernel has no IPsec (xfrm)', { value: operation.kind });
    const changes = changesOf(operation);
    const failures = socket.batch(changes.map(({ request }) => request));
    const refused = failures.find(({ errno }) => !isGone(operation, errno));
    if (refused) throw kernelError(changes[refused.index]?.words ?? operation.kind, refused);
  }

  #open(): NetlinkSocket | undefined {
    this.#asked = true;
    try {
      this.#socket ??= new NetlinkSocket({ namespace: this.#namespace, protocol: NETLINK_XFRM });
    } catch (error) {
      if (!isKernelError(error, 'EPROTONOSUPPORT')) throw error;
    }
    return this.#socket;
  }

  close(): void {
    this.#socket?.close();
  }
}

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
