import type { PullOptions } from '../../executor.js';
import { isImported } from './catalogue.js';
import type { Layout } from './layout.js';
import { isLocalOnly, parseImageName } from './name.js';
import type { Registries } from './registries.js';

/**
 * The name with the digest that its registry has for it now, so that all nodes run the same image:
 * `app:1@sha256:…`. The name as it is when there is nothing to ask: it has a digest, no registry can
 * have it, or this machine has an image of that name that came from an archive.
 * @throws what the registry says: NOT_FOUND, UNAVAILABLE; INVALID_ARGUMENT when it is no name
 */
export async function resolveDigest(
  layout: Layout,
  registries: Registries,
  name: string,
  options: PullOptions,
): Promise<string> {
  if (isLocalOnly(name)) return name;
  const parsed = parseImageName(name);
  if (parsed.digest !== '' || isImported(await layout.manifests(), parsed.canonical)) return name;
  return `${name}@${await registries.visit(parsed, options, (source) => source.digest())}`;
}
