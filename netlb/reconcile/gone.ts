import type { Operation } from '../plan/operation.js';

const ENOENT = 2;
const ESRCH = 3;

/**
 * Whether a refusal only says that what was to be removed is not there: others, or the kernel, were first. Of
 * IPVS the service is meant by ESRCH and the destination by ENOENT, of IPsec either by either.
 */
export const isGone = ({ kind }: Pick<Operation, 'kind'>, errno: number): boolean =>
  kind.startsWith('remove-') && (errno === ENOENT || errno === ESRCH);
