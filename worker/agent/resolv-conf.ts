import { readFile } from 'node:fs/promises';
import { errnoOf } from '../../lib/errors.js';

/** What a container's /etc/resolv.conf is made from when the service does not say. */
export interface Resolvers {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/**
 * A resolv.conf(5) as a container can use it: servers on a loopback address are left out, since in
 * the container's namespace nobody listens there.
 */
export function parseResolvConf(text: string): Resolvers {
  const lines = text.split('\n').map((line) =>
    line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/),
  );
  const values = (keyword: string) => lines.filter(([first]) => first === keyword).map(([, ...rest]) => rest);
  return {
    nameservers: values('nameserver').flatMap(([server]) => (server && !isLoopback(server) ? [server] : [])),
    // Of several search lines the last one counts.
    search: values('search').at(-1) ?? values('domain').at(-1) ?? [],
    options: values('options').flat(),
  };
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

/** The node's own resolvers; none when it has no resolv.conf. */
export async function readResolvConf(path = '/etc/resolv.conf'): Promise<Resolvers> {
  try {
    return parseResolvConf(await readFile(path, 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return parseResolvConf('');
    throw error;
  }
}
