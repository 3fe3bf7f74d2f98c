import { readFile } from 'node:fs/promises';
import { errnoOf } from '../../lib/errors.js';
import { RESOLVER_ADDRESS } from '../../netlb/blueprint/resolver.js';

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

/**
 * What a container with a resolver of its own has. Options of the node are about the node's servers, which the
 * resolver asks; `ndots:0`, unless asked otherwise, lets names without dots be asked for as they are.
 */
export function resolverSettings(asked: Pick<Resolvers, 'search' | 'options'>, node: Resolvers): Resolvers {
  const ndots = asked.options.some((option) => option.startsWith('ndots:')) ? [] : ['ndots:0'];
  return {
    nameservers: [RESOLVER_ADDRESS],
    search: asked.search.length > 0 ? asked.search : node.search,
    options: [...ndots, ...asked.options],
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
