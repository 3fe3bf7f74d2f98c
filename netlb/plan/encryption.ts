import {
  type AssociationBlueprint,
  ENCRYPTION_MARK,
  type EncryptionBlueprint,
  ICV_BITS,
} from '../blueprint/encryption.js';
import type { ActualAssociation, AssociationId, SecurityPolicy } from '../kernel/xfrm.js';
import { NODE_NAMESPACE } from '../names.js';
import type { Operation } from './operation.js';

/** What the kernel shows of IPsec in the node's namespace, others' things too. */
export interface ActualEncryption {
  readonly associations: readonly ActualAssociation[];
  readonly policies: readonly SecurityPolicy[];
}

/**
 * Associations and policies of ours: those of others have another request id. A policy changes over to another key
 * between that key's association coming and the other's going, so that every packet finds one.
 * @param wanted undefined: they stay as they are
 */
export function planEncryption(wanted: EncryptionBlueprint | undefined, actual: ActualEncryption): Operation[] {
  if (!wanted) return [];
  const base = { subject: { kind: 'encryption', id: '' }, namespace: NODE_NAMESPACE } as const;
  const ours = new Map(
    actual.associations.filter(({ reqid }) => reqid === ENCRYPTION_MARK).map((item) => [associationKey(item), item]),
  );
  const policies = new Map(
    actual.policies
      .filter(({ reqid, mark }) => reqid === ENCRYPTION_MARK && mark === ENCRYPTION_MARK)
      .map((policy) => [policyKey(policy), policy]),
  );
  const keys = new Set(wanted.associations.map(associationKey));
  const selectors = new Set(wanted.policies.map(policyKey));
  const missing = wanted.associations.filter((item) => !isRight(item, ours.get(associationKey(item))));
  const wrong = missing.flatMap((item) => ours.get(associationKey(item)) ?? []);
  const stale = [...ours.values()].filter((item) => !keys.has(associationKey(item)));
  const changed = wanted.policies.filter((policy) => policies.get(policyKey(policy))?.spi !== policy.spi);
  const needless = [...policies.values()].filter((policy) => !selectors.has(policyKey(policy)));
  return [
    ...some(wrong, (associations) => ({ ...base, kind: 'remove-associations', associations })),
    ...some(missing, (associations) => ({ ...base, kind: 'add-associations', associations })),
    ...some(changed, (policies) => ({ ...base, kind: 'set-policies', policies })),
    ...some(needless, (policies) => ({ ...base, kind: 'remove-policies', policies })),
    ...some(stale, (associations) => ({ ...base, kind: 'remove-associations', associations })),
  ];
}

const some = <T>(items: readonly T[], make: (items: readonly T[]) => Operation): Operation[] =>
  items.length > 0 ? [make(items)] : [];

/** By which the kernel tells associations apart. */
const associationKey = ({ destination, spi }: AssociationId): string => `${destination} ${spi}`;
const policyKey = ({ source, destination, port }: SecurityPolicy): string => `${source} ${destination} ${port}`;

const isRight = ({ source }: AssociationBlueprint, actual: ActualAssociation | undefined): boolean =>
  actual !== undefined && actual.source === source && actual.icvBits === ICV_BITS && actual.ordinary;
