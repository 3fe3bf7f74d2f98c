import { invalidArgument } from '../../../../lib/errors.js';

const DEFAULT_DOMAIN = 'docker.io';
const DEFAULT_TAG = 'latest';

const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$/;
const DIGEST = /^sha256:[0-9a-f]{64}$/;
const DOMAIN = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;

/** An image's name taken apart, with docker's defaults filled in. */
export interface ImageName {
  /** Registry: host, or host:port. */
  readonly domain: string;
  /** `library/busybox` */
  readonly path: string;
  /** Empty when a digest is given. */
  readonly tag: string;
  /** `sha256:…`, or empty. */
  readonly digest: string;
  /** All parts: `docker.io/library/busybox:latest`. Equal for all spellings of one name. */
  readonly canonical: string;
  /** As docker shows it: `busybox:latest`. */
  readonly familiar: string;
}

function isDomain(part: string): boolean {
  return part.includes('.') || part.includes(':') || part === 'localhost' || part !== part.toLowerCase();
}

/**
 * Reads `[registry/]repository[:tag][@digest]` by docker's rules: without a registry it is Docker
 * Hub's, without a tag `latest`; a digest wins over a tag.
 * @throws INVALID_ARGUMENT "invalid reference format"
 */
export function parseImageName(text: string): ImageName {
  const bad = (why: string) =>
    invalidArgument(`invalid reference format: "${text}"${why}`, {
      value: text,
      hint: 'An image looks like busybox, busybox:1.36 or registry.example.com:5000/team/app:v1.',
    });
  const at = text.indexOf('@');
  const digest = at < 0 ? '' : text.slice(at + 1);
  const named = at < 0 ? text : text.slice(0, at);
  if (at >= 0 && !DIGEST.test(digest)) throw bad(': the digest must be sha256: and 64 hexadecimal digits');

  const slash = named.indexOf('/');
  const first = slash < 0 ? '' : named.slice(0, slash);
  const explicit = slash >= 0 && isDomain(first);
  const rest = explicit ? named.slice(slash + 1) : named;
  const colon = rest.lastIndexOf(':');
  const tagged = colon > rest.lastIndexOf('/');
  const repository = tagged ? rest.slice(0, colon) : rest;
  const tag = digest ? '' : tagged ? rest.slice(colon + 1) : DEFAULT_TAG;

  if (repository !== repository.toLowerCase()) throw bad(': the repository name must be lowercase');
  if (!PATH.test(repository) || repository.length > 255) throw bad('');
  if (tagged && !TAG.test(rest.slice(colon + 1))) throw bad(': the tag is not valid');
  if (explicit && !DOMAIN.test(first)) throw bad(': the registry is not valid');

  const domain = explicit && first !== 'index.docker.io' ? first : DEFAULT_DOMAIN;
  const official = domain === DEFAULT_DOMAIN && !repository.includes('/');
  const path = official ? `library/${repository}` : repository;
  const suffix = digest ? `@${digest}` : `:${tag}`;
  const short = path.startsWith('library/') ? path.slice('library/'.length) : path;
  return {
    domain,
    path,
    tag,
    digest,
    canonical: `${domain}/${path}${suffix}`,
    familiar: domain === DEFAULT_DOMAIN ? `${short}${suffix}` : `${domain}/${path}${suffix}`,
  };
}

/** True for what can only be an image's id (or its start), never a name in a registry. */
export function isImageId(text: string): boolean {
  return /^sha256:[0-9a-f]{1,64}$/.test(text) || /^(?:[0-9a-f]{12}|[0-9a-f]{64})$/.test(text);
}

/** True for names that no registry can have: ids, and `localhost/…`, which means "made here". */
export function isLocalOnly(text: string): boolean {
  return isImageId(text) || text.startsWith('localhost/');
}

/** True for a registry on this machine, which docker speaks plain HTTP to without being told. */
export function isLoopbackRegistry(domain: string): boolean {
  const host = domain.replace(/:\d+$/, '');
  return host === 'localhost' || host === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
