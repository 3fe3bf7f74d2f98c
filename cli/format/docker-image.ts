import type { Image } from '../../proto/gen/node.js';
import { rfc3339 } from './human.js';

/** The part of `GET /images/{name}/json` that a list of images tells. */
export function dockerImage(image: Image) {
  const repositories = image.names.map((name) => name.slice(0, name.lastIndexOf(':')));
  return {
    Id: image.id,
    RepoTags: image.names,
    RepoDigests: image.digest === '' ? [] : [...new Set(repositories)].map((name) => `${name}@${image.digest}`),
    Created: rfc3339(image.createdAt),
    Architecture: image.platform.architecture,
    Os: image.platform.os,
    Size: image.sizeBytes,
  };
}
