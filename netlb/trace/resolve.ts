/** Asks for a name as a program in a namespace would: its resolv.conf (resolv.conf(5)), its servers, its way to them. */
import { decode, encode, type Packet, RECURSION_DESIRED } from 'dns-packet';
import { attempt } from '../dns/attempt.js';
import { MAX_SERVERS } from '../dns/servers.js';
import type { NetNamespace } from '../kernel/namespace.js';
import type { ResolveAnswer } from './queries.js';

export interface ResolvConf {
  readonly servers: readonly string[];
  readonly search: readonly string[];
  /** Names with fewer dots are tried with the search domains first. */
  readonly ndots: number;
}

/** Milliseconds in which a server must answer: one attempt, not the three of a resolver library. */
const TIMEOUT = 1500;

export function parseResolvConf(text: string): ResolvConf {
  const lines = text.split('\n').map((line) =>
    line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/),
  );
  const of = (keyword: string) => lines.filter(([first]) => first === keyword);
  const options = of('options').flatMap(([, ...rest]) => rest);
  const ndots = options.map((option) => /^ndots:(\d+)$/.exec(option)?.[1]).findLast((value) => value !== undefined);
  return {
    servers: of('nameserver')
      .flatMap(([, server]) => (server === undefined ? [] : [server]))
      .slice(0, MAX_SERVERS),
    search: of('search').at(-1)?.slice(1) ?? [],
    ndots: Number(ndots ?? 1),
  };
}

/** In the order in which a name is tried. */
export function candidateNames(name: string, { search, ndots }: Pick<ResolvConf, 'search' | 'ndots'>): string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const full = search.filter((domain) => domain !== '.').map((domain) => `${name}.${domain}`);
  const dots = name.split('.').length - 1;
  return dots >= ndots ? [name, ...full] : [...full, name];
}

/** The first answer with addresses, or else the last of all answers. */
export async function askResolvers(namespace: NetNamespace, conf: ResolvConf, name: string): Promise<ResolveAnswer> {
  const nobody: ResolveAnswer = { servers: conf.servers, server: '', name, addresses: [], code: '' };
  let last = nobody;
  for (const candidate of candidateNames(name, conf)) {
    const answer = await firstAnswer(namespace, conf, candidate);
    if (answer) last = answer;
    if (last.addresses.length > 0 || !answer) break;
  }
  return last;
}

async function firstAnswer(
  namespace: NetNamespace,
  { servers }: ResolvConf,
  name: string,
): Promise<ResolveAnswer | undefined> {
  for (const server of servers) {
    const packet = await askServer(namespace, server, name, 'A');
    if (!packet) continue;
    const found = addressesOf(packet);
    const more = found.length > 0 ? undefined : await askServer(namespace, server, name, 'AAAA');
    const addresses = more ? addressesOf(more) : found;
    // dns-packet has the response code in a field that its types leave out.
    const code = (packet as { readonly rcode?: string }).rcode ?? 'NOERROR';
    return { servers, server, name, addresses, code };
  }
  return undefined;
}

const addressesOf = ({ answers = [] }: Packet): string[] =>
  answers.flatMap((record) => (record.type === 'A' || record.type === 'AAAA' ? [record.data] : []));

/**
 * What a server has answered; undefined when nobody can read it. Who answers may be anybody: a container names its
 * servers itself.
 */
export function readAnswer(message: Buffer): Packet | undefined {
  try {
    return decode(message);
  } catch {
    // dns-packet has errors of many kinds for what is malformed.
    return undefined;
  }
}

/** Undefined: no route, refused, nonsense, or no answer in time. The next server is asked then, as a resolver library does. */
function askServer(
  namespace: NetNamespace,
  server: string,
  name: string,
  type: 'A' | 'AAAA',
): Promise<Packet | undefined> {
  const query = encode({ type: 'query', flags: RECURSION_DESIRED, questions: [{ type, name }] });
  return new Promise((resolve) => {
    const cancel = attempt({
      namespace,
      server,
      transport: 'udp',
      query,
      questionEnd: query.length,
      onAnswer: (answer) => finish(readAnswer(answer)),
      onFailure: () => finish(undefined),
    });
    const patience = setTimeout(() => {
      cancel();
      finish(undefined);
    }, TIMEOUT);
    const finish = (packet: Packet | undefined) => {
      clearTimeout(patience);
      resolve(packet);
    };
  });
}
