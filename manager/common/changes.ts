import type { Meta } from '../../proto/gen/index.js';

/** What a change was made for: an object, or its last state. */
export interface Cause {
  readonly meta: Pick<Meta, 'changeId'>;
}

/** The object with the id of the operator's call that led to its cause; as it is when no call did. */
export function because<T extends { readonly meta: Meta }>(object: T, cause: Cause | undefined): T {
  const changeId = cause?.meta.changeId ?? '';
  if (changeId === '' || changeId === object.meta.changeId) return object;
  return { ...object, meta: { ...object.meta, changeId } };
}
