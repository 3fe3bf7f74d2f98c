import { notFound } from '../../lib/errors.js';
import type { Image } from '../../proto/gen/node.js';
import type { Context } from '../context.js';
import { withTag } from '../flags/service.js';

/** An image of this node. @throws NOT_FOUND */
export async function findImage(context: Context, ref: string): Promise<Image> {
  const { images } = await (await context.agent()).listImages({});
  const image = images.find((candidate) => isNamed(candidate, ref));
  if (!image) throw notFound(`No such image: ${ref}`, { value: ref, hint: 'See "tsswarm image ls".' });
  return image;
}

/** Whether a reference is one of an image's names, or its id or digest or the beginning of one. */
export function isNamed({ id, digest, names }: Pick<Image, 'id' | 'digest' | 'names'>, ref: string): boolean {
  const bare = ref.replace(/^sha256:/, '');
  const isHex = /^[0-9a-f]{6,64}$/.test(bare);
  if (isHex && [id, digest].some((text) => text.replace(/^sha256:/, '').startsWith(bare))) return true;
  if (ref.includes('@')) return ref.endsWith(`@${digest}`);
  return names.some((name) => shortName(name) === shortName(withTag(ref)));
}

/** Without what Docker Hub's names may leave out. */
function shortName(name: string): string {
  return name.replace(/^(?:index\.)?docker\.io\//, '').replace(/^library\//, '');
}
