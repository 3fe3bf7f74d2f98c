import { codeOf, type ErrorCode, messageOf } from '../../lib/errors.js';
import type { Context } from '../context.js';
import type { Flags } from '../flags/flags.js';
import { warn } from './refs.js';

/** Milliseconds that a registry may take: a service whose registry does not answer is made all the same. */
const PATIENCE = 10_000;
const REASONS = new Set<ErrorCode>(['NOT_FOUND', 'UNAVAILABLE', 'DEADLINE_EXCEEDED']);

/**
 * The image's name with its digest, so that every node, now and later, runs the same one. Where the registry
 * does not tell, a warning says so and the name stays as it is.
 */
export async function withDigest(context: Context, image: string, registryAuth: string, flags: Flags): Promise<string> {
  if (flags.on('no-resolve-image')) return image;
  const agent = await context.agent();
  try {
    return (await agent.resolveImage({ name: image, registryAuth }, { timeout: PATIENCE })).name;
  } catch (error) {
    if (!REASONS.has(codeOf(error))) throw error;
    const reason = codeOf(error) === 'DEADLINE_EXCEEDED' ? `no answer in ${PATIENCE / 1000} s` : messageOf(error);
    warn(context, [
      `the digest of image ${image} is not known (${reason}): each node takes what it finds under that name.`,
    ]);
    return image;
  }
}
