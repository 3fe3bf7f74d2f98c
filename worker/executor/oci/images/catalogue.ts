import { codeOf, invalidArgument, notFound, type SwarmError } from '../../../../lib/errors.js';
import type { StoredImage } from '../../executor.js';
import type { Descriptor, ImageConfig } from './config.js';
import { parseImageName } from './name.js';

// The index of the layout, as lists of descriptors: one for each name of an image, or one without a
// name. What we know beside OCI's own fields is in annotations.
const NAME = 'org.opencontainers.image.ref.name';
const SIZE = 'tsswarm.image.size';
const CONFIG = 'tsswarm.image.config';
const SOURCE = 'tsswarm.image.source';

export interface CatalogueEntry {
  /** Of the manifest, as it is in our layout. */
  readonly manifest: Descriptor;
  /** Digest of the configuration: the image's id. */
  readonly id: string;
  /** Of the unpacked root filesystem. */
  readonly sizeBytes: number;
  /** Digest the registry has it under; empty for an imported image. */
  readonly source: string;
}

export const idOf = (descriptor: Descriptor): string => descriptor.annotations?.[CONFIG] ?? '';
const sourceOf = (descriptor: Descriptor): string => descriptor.annotations?.[SOURCE] ?? '';
const nameOf = (descriptor: Descriptor): string => descriptor.annotations?.[NAME] ?? '';

export const hexOf = (digest: string): string => digest.slice('sha256:'.length);
/** The twelve digits that people see. */
export const shortId = (id: string): string => hexOf(id).slice(0, 12);

function withName({ mediaType, digest, size, annotations }: Descriptor, name: string): Descriptor {
  const { [NAME]: _, ...rest } = annotations ?? {};
  return { mediaType, digest, size, annotations: name === '' ? rest : { ...rest, [NAME]: name } };
}

/** Drops what has no name when the image has another entry, so that every image keeps at least one. */
function tidy(manifests: readonly Descriptor[]): Descriptor[] {
  const named = new Set(manifests.filter((item) => nameOf(item) !== '').map(idOf));
  const seen = new Set<string>();
  return manifests.filter((item) => {
    if (nameOf(item) !== '') return true;
    if (named.has(idOf(item)) || seen.has(idOf(item))) return false;
    seen.add(idOf(item));
    return true;
  });
}

/** Enters an image under further (canonical) names. An image that loses its last name to it stays, nameless. */
export function withImage(
  manifests: readonly Descriptor[],
  entry: CatalogueEntry,
  names: readonly string[],
): Descriptor[] {
  const { mediaType, digest, size } = entry.manifest;
  const annotations = {
    [CONFIG]: entry.id,
    [SIZE]: String(entry.sizeBytes),
    ...(entry.source === '' ? {} : { [SOURCE]: entry.source }),
  };
  const own = { mediaType, digest, size, annotations };
  const kept = manifests.filter((item) => idOf(item) === entry.id).map(nameOf);
  const others = manifests
    .filter((item) => idOf(item) !== entry.id)
    .map((item) => (names.includes(nameOf(item)) ? withName(item, '') : item));
  return tidy([...others, ...[...new Set([...kept, ...names, ''])].map((name) => withName(own, name))]);
}

/** Gives the image that was pulled by this digest a further name; undefined when there is none. */
export function withNameOfSource(
  manifests: readonly Descriptor[],
  source: string,
  name: string,
): { manifests: Descriptor[]; id: string } | undefined {
  const own = manifests.find((item) => sourceOf(item) === source);
  if (!own) return undefined;
  const entry = { manifest: own, id: idOf(own), sizeBytes: Number(own.annotations?.[SIZE] ?? 0), source };
  return { manifests: withImage(manifests, entry, [name]), id: idOf(own) };
}

/** Whether the image of this (canonical) name came from an archive, and so from no registry. */
export function isImported(manifests: readonly Descriptor[], name: string): boolean {
  return manifests.some((item) => nameOf(item) === name && sourceOf(item) === '');
}

/** Takes one (canonical) name away; the image stays. */
export function withoutName(manifests: readonly Descriptor[], name: string): Descriptor[] {
  return tidy(manifests.map((item) => (nameOf(item) === name ? withName(item, '') : item)));
}

export function withoutNames(manifests: readonly Descriptor[], id: string): Descriptor[] {
  return tidy(manifests.map((item) => (idOf(item) === id ? withName(item, '') : item)));
}

export function withoutImage(manifests: readonly Descriptor[], id: string): Descriptor[] {
  return manifests.filter((item) => idOf(item) !== id);
}

/** All images, with their names as docker shows them. @param configs of every image, by id */
export function imagesOf(
  manifests: readonly Descriptor[],
  configs: ReadonlyMap<string, Pick<ImageConfig, 'createdAt' | 'platform'>>,
): StoredImage[] {
  return [...configs].map(([id, { createdAt, platform }]) => {
    const own = manifests.filter((item) => idOf(item) === id);
    const [first] = own;
    return {
      id,
      names: own.map(nameOf).flatMap((name) => (name === '' ? [] : [parseImageName(name).familiar])),
      digest: own.map(sourceOf).find((source) => source !== '') ?? first?.digest ?? '',
      sizeBytes: Number(first?.annotations?.[SIZE] ?? 0),
      createdAt,
      platform,
    };
  });
}

/** True when both mean the same image of the same registry; `ref` may be anything. */
export function isNameOf(name: string, ref: string): boolean {
  try {
    return parseImageName(ref).canonical === parseImageName(name).canonical;
  } catch (error) {
    if (codeOf(error) === 'INVALID_ARGUMENT') return false;
    throw error;
  }
}

/** By name, by digest, or by id or the start of one. @throws INVALID_ARGUMENT when several ids start so */
export function match(images: readonly StoredImage[], ref: string): StoredImage | undefined {
  const named = images.find((image) => image.names.some((name) => isNameOf(name, ref)));
  if (named) return named;
  const digest = /@(sha256:[0-9a-f]{64})$/.exec(ref)?.[1];
  if (digest) return images.find((image) => image.digest === digest);
  const prefix = ref.replace(/^sha256:/, '');
  if (!/^[0-9a-f]{2,64}$/.test(prefix)) return undefined;
  const found = images.filter(({ id, digest: own }) => hexOf(id).startsWith(prefix) || hexOf(own).startsWith(prefix));
  if (found.length > 1) {
    throw invalidArgument(`"${ref}" is the start of several images' ids`, {
      value: ref,
      hint: `Give more digits: ${found.map((image) => shortId(image.id)).join(', ')}.`,
    });
  }
  return found[0];
}

export function noSuchImage(ref: string): SwarmError {
  return notFound(`No such image: ${ref}`, {
    value: ref,
    hint: 'See the images of this node with `image ls`; get one with `image pull` or `image import`.',
  });
}
