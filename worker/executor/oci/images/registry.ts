import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { invalidArgument, notFound, type SwarmError, unavailable } from '../../../../lib/errors.js';
import { runTool, ToolError } from '../tool.js';
import { hostPlatform, isObject, parseJsonObject } from './config.js';
import { keepDockerSettings } from './docker-settings.js';
import type { Layout } from './layout.js';
import type { ImageName } from './name.js';
import { ONLY } from './rootfs.js';

export interface RegistryAccess {
  /** Base64 of docker's AuthConfig (JSON); empty: without credentials. */
  readonly auth: string;
  /** HTTP, or HTTPS without a check of the certificate, will do. */
  readonly insecure: boolean;
  readonly signal: AbortSignal;
}

/** Reads and copies the images of one registry repository, by skopeo. */
export class RegistrySource {
  readonly #name: ImageName;
  readonly #access: RegistryAccess;
  readonly #work: string;

  /** @param work folder for temporary files, deleted by the caller */
  constructor(name: ImageName, access: RegistryAccess, work: string) {
    this.#name = name;
    this.#access = access;
    this.#work = work;
  }

  /** The digest the registry has for the name now: of a manifest, or of a list of them by platform. */
  async digest(): Promise<string> {
    if (this.#name.digest) return this.#name.digest;
    const flags = await this.#flags('');
    const raw = await this.#skopeo(['inspect', '--raw', ...flags, `docker://${this.#name.canonical}`]);
    return `sha256:${createHash('sha256').update(raw).digest('hex')}`;
  }

  /** Copies what `digest` names, for this machine's platform, into an empty layout as its only image. */
  async copy(digest: string, target: Layout, progress: (message: string) => void): Promise<void> {
    const source = `docker://${this.#name.domain}/${this.#name.path}@${digest}`;
    const flags = await this.#flags('src-');
    await this.#skopeo(['copy', ...flags, source, `oci:${target.root}:${ONLY}`], progress);
    const config = await this.#skopeo(['inspect', '--config', '--raw', ...(await this.#flags('')), source]);
    await keepDockerSettings(target, config);
  }

  /** @param side skopeo's prefix of options that concern one side of a copy */
  async #flags(side: '' | 'src-'): Promise<string[]> {
    const verify = `--${side}tls-verify=${!this.#access.insecure}`;
    if (this.#access.auth === '') return [verify, `--${side}no-creds`];
    const file = join(this.#work, 'auth.json');
    await writeFile(file, authFile(this.#name.domain, this.#access.auth), { mode: 0o600 });
    return [verify, '--authfile', file];
  }

  async #skopeo(args: readonly string[], progress?: (message: string) => void): Promise<string> {
    try {
      return await runTool('skopeo', ['--insecure-policy', '--tmpdir', this.#work, ...args], {
        signal: this.#access.signal,
        ...(progress ? { onLine: progress } : {}),
      });
    } catch (error) {
      throw error instanceof ToolError ? registryError(this.#name, error) : error;
    }
  }
}

/**
 * The containers-auth.json(5) file that says the same as docker's base64 AuthConfig.
 * @throws INVALID_ARGUMENT when the text is no such thing
 */
export function authFile(domain: string, registryAuth: string): string {
  const config = parseJsonObject(Buffer.from(registryAuth, 'base64').toString('utf8'), 'the registry authentication');
  const { username, password, auth, identitytoken } = config;
  const key = domain === 'docker.io' ? 'https://index.docker.io/v1/' : domain;
  const basic =
    typeof auth === 'string' && auth !== ''
      ? auth
      : Buffer.from(`${String(username ?? '')}:${String(password ?? '')}`).toString('base64');
  const entry = {
    auth: basic,
    ...(typeof identitytoken === 'string' && identitytoken !== '' ? { identitytoken } : {}),
  };
  if (!isObject(config) || (basic === Buffer.from(':').toString('base64') && !entry.identitytoken)) {
    throw invalidArgument('the registry authentication has no user name and password', {
      hint: 'It is base64 of {"username": …, "password": …}.',
    });
  }
  return JSON.stringify({ auths: { [key]: entry } });
}

/** What skopeo says, in short, as an error that tells what to do; all of it is in the cause. */
export function registryError(name: ImageName, error: ToolError): SwarmError {
  const words = registryWords(error.words);
  const platform = `${hostPlatform.os}/${hostPlatform.architecture}`;
  if (/no image found in (?:manifest list|image index)/i.test(words)) {
    return notFound(`${name.familiar} has no image for ${platform}`, { value: name.familiar, cause: error });
  }
  if (/manifest unknown|name unknown|not found|\b404\b/i.test(words)) {
    return notFound(`manifest for ${name.familiar} not found`, { value: name.familiar, hint: words, cause: error });
  }
  if (/unauthorized|authentication required|denied|\b40[13]\b/i.test(words)) {
    return notFound(`pull access denied for ${name.familiar}: it does not exist or needs credentials`, {
      value: name.familiar,
      hint: words,
      cause: error,
    });
  }
  const unreachable = /\b(?:dial|lookup|i\/o timeout|deadline exceeded|connection reset)\b/.test(words);
  const what = unreachable ? `registry ${name.domain} cannot be reached` : `cannot pull ${name.familiar}`;
  return unavailable(`${what}: ${lastCause(words)}`, {
    value: name.familiar,
    hint: /HTTP response to HTTPS client|x509|tls:/i.test(words)
      ? 'If the registry speaks plain HTTP, or has a certificate of its own, pull with --plain-http.'
      : undefined,
    cause: error,
  });
}

/** Go programs put each error before its cause: "pinging …: Get "https://…": dial tcp …: connection refused". */
const lastCause = (words: string): string => words.split(': ').at(-1) ?? words;

/** The message of skopeo's last log line, without time and level. */
function registryWords(stderr: string): string {
  const line = stderr.trim().split('\n').at(-1) ?? '';
  const message = /msg="((?:[^"\\]|\\.)*)"/.exec(line)?.[1];
  return message?.replace(/\\(.)/g, '$1') ?? line;
}
