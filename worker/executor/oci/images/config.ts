import { arch } from 'node:process';
import { invalidArgument } from '../../../../lib/errors.js';
import { HealthConfig, type Platform } from '../../../../proto/gen/index.js';

/** A content descriptor (OCI image-spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** What of an image's configuration (OCI image-spec, config.md) a container is made from. */
export interface ImageConfig {
  readonly platform: Platform;
  /** Milliseconds since the epoch; 0 when the image does not say. */
  readonly createdAt: number;
  readonly user: string;
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly workingDir: string;
  /** "80/tcp" */
  readonly exposedPorts: readonly string[];
  /** Paths that are volumes, whatever the container says. */
  readonly volumes: readonly string[];
  /** Empty when the image does not say. */
  readonly stopSignal: string;
  /** Docker's extension of the format, like `shell`. */
  readonly healthcheck: HealthConfig | undefined;
  /** What command lines of its health check are given to; empty when the image does not say. */
  readonly shell: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

const ARCHITECTURES: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: 'ppc64le',
  mipsel: 'mipsle',
};

/** This machine's, in OCI's words. */
export const hostPlatform: Platform = { architecture: ARCHITECTURES[arch] ?? arch, os: 'linux' };

type Json = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function parseJsonObject(text: string, what: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalidArgument(`${what} is not JSON`, { cause });
  }
  if (!isObject(value)) throw invalidArgument(`${what} is not a JSON object`);
  return value;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
/** Zero for what is no such number. */
const count = (value: unknown): number => (Number.isSafeInteger(value) && Number(value) > 0 ? Number(value) : 0);
const texts = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];

/** Docker's `Healthcheck`; times are nanoseconds. */
function parseHealthcheck(value: unknown): HealthConfig | undefined {
  if (!isObject(value)) return undefined;
  return HealthConfig.create({
    test: texts(value.Test),
    interval: count(value.Interval),
    timeout: count(value.Timeout),
    startPeriod: count(value.StartPeriod),
    startInterval: count(value.StartInterval),
    retries: count(value.Retries),
  });
}

/** @throws INVALID_ARGUMENT when it is no descriptor */
export function parseDescriptor(value: unknown, what: string): Descriptor {
  if (!isObject(value) || !/^sha256:[0-9a-f]{64}$/.test(text(value.digest))) {
    throw invalidArgument(`${what} has no sha256 digest`);
  }
  const annotations = isObject(value.annotations)
    ? Object.fromEntries(Object.entries(value.annotations).map(([key, item]) => [key, text(item)]))
    : {};
  return {
    mediaType: text(value.mediaType),
    digest: text(value.digest),
    size: typeof value.size === 'number' ? value.size : 0,
    annotations,
  };
}

/** @throws INVALID_ARGUMENT when the manifest names no configuration */
export function parseManifest(json: string): { config: Descriptor; layers: readonly Descriptor[] } {
  const manifest = parseJsonObject(json, 'the image manifest');
  const layers = Array.isArray(manifest.layers) ? manifest.layers : [];
  return {
    config: parseDescriptor(manifest.config, 'the configuration in the image manifest'),
    layers: layers.map((layer) => parseDescriptor(layer, 'a layer in the image manifest')),
  };
}

/** @throws INVALID_ARGUMENT when the blob is no image configuration */
export function parseImageConfig(json: string): ImageConfig {
  const blob = parseJsonObject(json, 'the image configuration');
  if (!text(blob.architecture) || !text(blob.os)) {
    throw invalidArgument('the image configuration names no architecture and operating system');
  }
  const config = isObject(blob.config) ? blob.config : {};
  const labels = isObject(config.Labels) ? config.Labels : {};
  return {
    platform: { architecture: text(blob.architecture), os: text(blob.os) },
    createdAt: Date.parse(text(blob.created)) || 0,
    user: text(config.User),
    env: texts(config.Env),
    entrypoint: texts(config.Entrypoint),
    cmd: texts(config.Cmd),
    workingDir: text(config.WorkingDir),
    exposedPorts: isObject(config.ExposedPorts) ? Object.keys(config.ExposedPorts) : [],
    volumes: isObject(config.Volumes) ? Object.keys(config.Volumes) : [],
    stopSignal: text(config.StopSignal),
    healthcheck: parseHealthcheck(config.Healthcheck),
    shell: texts(config.Shell),
    labels: Object.fromEntries(Object.entries(labels).map(([key, value]) => [key, text(value)])),
  };
}
