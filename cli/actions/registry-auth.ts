import { readFileSync } from 'node:fs';
import path from 'node:path';
import { errnoOf, failedPrecondition, invalidArgument } from '../../lib/errors.js';

const DOCKER_HUB = 'https://index.docker.io/v1/';

/** The registry of an image's name: what stands before the first slash, if it looks like a host. */
export function registryOf(image: string): string {
  const [first = '', ...rest] = image.split('/');
  return rest.length > 0 && /[.:]|^localhost$/.test(first) ? first : DOCKER_HUB;
}

/**
 * What `docker login` kept for the image's registry, as nodes take it: base64 of JSON with user
 * name, password and server address. Empty when there is nothing.
 * @throws FAILED_PRECONDITION when a credential helper keeps it, INVALID_ARGUMENT for a broken file
 */
export function registryAuth(image: string, env: Readonly<Record<string, string | undefined>>): string {
  const file = path.join(env.DOCKER_CONFIG ?? path.join(env.HOME ?? '/root', '.docker'), 'config.json');
  const config = readConfig(file);
  const registry = registryOf(image);
  const helper = config.credHelpers?.[registry] ?? config.credsStore;
  if (helper !== undefined)
    throw failedPrecondition(`the credentials of ${registry} are kept by the helper "${helper}", which is not asked`, {
      value: file,
      hint: `Log in without a helper, or leave --with-registry-auth out.`,
    });
  const auth = config.auths?.[registry]?.auth;
  if (auth === undefined) return '';
  const decoded = Buffer.from(auth, 'base64').toString();
  const colon = decoded.indexOf(':');
  const credentials = {
    username: decoded.slice(0, colon),
    password: decoded.slice(colon + 1),
    serveraddress: registry,
  };
  return Buffer.from(JSON.stringify(credentials)).toString('base64');
}

interface DockerConfig {
  readonly auths?: Readonly<Record<string, { readonly auth?: string }>>;
  readonly credHelpers?: Readonly<Record<string, string>>;
  readonly credsStore?: string;
}

function readConfig(file: string): DockerConfig {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as DockerConfig;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return {};
    if (error instanceof SyntaxError) throw invalidArgument(`${file} is not JSON: ${error.message}`, { value: file });
    throw error;
  }
}
