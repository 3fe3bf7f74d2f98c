import { invalidArgument } from '../../../lib/errors.js';
import type { ResourceRequirements } from '../../../proto/gen/index.js';

const MIB = 2 ** 20;
/** Less than this a container's runtime does not get by with. */
const LEAST_MEMORY = 4 * MIB;
const LEAST_CPUS = 1e6;

/** @throws INVALID_ARGUMENT */
export function checkResources({
  limits,
  reservations,
  memorySwapBytes,
  memorySwappiness,
}: ResourceRequirements): void {
  for (const [what, { nanoCpus, memoryBytes }] of [
    ['limit', limits],
    ['reservation', reservations],
  ] as const) {
    if (memoryBytes !== 0 && memoryBytes < LEAST_MEMORY) {
      throw invalidArgument(`memory ${what} of ${memoryBytes} bytes is too small`, {
        value: String(memoryBytes),
        hint: `It is at least 4 MiB (${LEAST_MEMORY}); 0 stands for none.`,
      });
    }
    if (nanoCpus !== 0 && nanoCpus < LEAST_CPUS) {
      throw invalidArgument(`CPU ${what} of ${nanoCpus / 1e9} is too small`, {
        value: String(nanoCpus / 1e9),
        hint: 'It is at least 0.001; 0 stands for none.',
      });
    }
  }
  if (limits.memoryBytes !== 0 && reservations.memoryBytes > limits.memoryBytes) {
    throw invalidArgument(
      `memory reservation of ${reservations.memoryBytes} bytes is larger than the limit of ${limits.memoryBytes}`,
      { value: String(reservations.memoryBytes) },
    );
  }
  if (limits.nanoCpus !== 0 && reservations.nanoCpus > limits.nanoCpus) {
    throw invalidArgument(
      `CPU reservation of ${reservations.nanoCpus / 1e9} is larger than the limit of ${limits.nanoCpus / 1e9}`,
      { value: String(reservations.nanoCpus / 1e9) },
    );
  }
  for (const { kind, value } of reservations.generic) {
    if (kind === '' || value === 0) {
      throw invalidArgument(`generic resource "${kind}=${value}" needs a name and an amount`, {
        value: `${kind}=${value}`,
        hint: 'A generic resource looks like gpu=2.',
      });
    }
  }
  if (memorySwapBytes !== undefined && memorySwapBytes > 0 && limits.memoryBytes === 0) {
    throw invalidArgument('a swap limit needs a memory limit', { value: String(memorySwapBytes) });
  }
  if (memorySwappiness !== undefined && (memorySwappiness < -1 || memorySwappiness > 100)) {
    throw invalidArgument(`memory swappiness ${memorySwappiness} is out of range`, {
      value: String(memorySwappiness),
      hint: 'It is from 0 to 100; -1 leaves it to the machine.',
    });
  }
}
