import { invalidArgument } from '../../../lib/errors.js';

/** The grammar of github.com/distribution/reference, which OCI registries follow. */
const LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?';
const DOMAIN = `(?:${LABEL}(?:\\.${LABEL})*|\\[[0-9a-fA-F:]+\\])(?::[0-9]+)?`;
const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const PATH = `${COMPONENT}(?:/${COMPONENT})*`;
const TAG = '[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}';
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
const REFERENCE = new RegExp(`^(?:${DOMAIN}/)?(${PATH})(?::${TAG})?(?:@${DIGEST})?$`);

/** @throws INVALID_ARGUMENT when it cannot name an image */
export function checkImage(image: string): void {
  if (image === '') throw invalidArgument('a service needs an image');
  const match = REFERENCE.exec(image);
  if (match?.[1] && match[1].length <= 255) return;
  const lower = REFERENCE.test(image.toLowerCase()) ? ' The repository must be in lower case.' : '';
  throw invalidArgument(`"${image}" is not an image reference`, {
    value: image,
    hint: `An image looks like nginx:1.27, registry.example:5000/team/app or app@sha256:<64 digits>.${lower}`,
  });
}
