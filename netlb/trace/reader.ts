/** Answers questions about this node's kernel. Nothing is changed; each answer takes well under a millisecond but for rule sets. */
import { basename, join } from 'node:path';
import { yieldToLoop } from '../../lib/async.js';
import { messageOf } from '../../lib/errors.js';
import { ENCRYPTION_MARK } from '../blueprint/encryption.js';
import { isKernelError, KernelError } from '../kernel/errors.js';
import { readListeners } from '../kernel/listeners.js';
import { listNamespaces, NetNamespace } from '../kernel/namespace.js';
import { NO_MAC } from '../kernel/neighbours.js';
import { NETLINK_ROUTE, NetlinkSocket } from '../kernel/netlink.js';
import { type Link, RouteSocket } from '../kernel/rtnetlink.js';
import { readSysctl } from '../kernel/sysctl.js';
import type { AssociationId } from '../kernel/xfrm.js';
import { NAMESPACE_DIRECTORY, NODE_NAMESPACE } from '../names.js';
import { EncryptionSocket } from '../reconcile/encryption.js';
import { TableReader } from '../reconcile/tables.js';
import { followHook } from './evaluate.js';
import { readIpvs } from './ipvs.js';
import { Captures } from './probe/captures.js';
import { sendProbe } from './probe/send.js';
import type {
  Answers,
  Fact,
  Holder,
  Kind,
  Peer,
  Query,
  QueryOf,
  RouteAnswer,
  SecurityAnswer,
  WayBackAnswer,
} from './queries.js';
import { askResolvers, parseResolvConf } from './resolve.js';
import { parseRouteLookup, routeLookup } from './route-lookup.js';
import { Rulesets } from './rulesets.js';

export interface KernelReaderOptions {
  /** Namespaces are files under `<runRoot>/netns/`. */
  readonly runRoot: string;
  /** The resolv.conf of whoever lives in a namespace; undefined: not known. */
  readonly resolvConf?: (namespace: string) => Promise<string | undefined>;
  /** The node's namespace; the process's own unless given. */
  readonly node?: NetNamespace;
}

type Answerers = { readonly [K in Kind]: (query: QueryOf<K>) => Answers[K] | Promise<Answers[K]> };

export class KernelReader {
  readonly #directory: string;
  readonly #resolvConf: (namespace: string) => Promise<string | undefined>;
  readonly #node: NetNamespace;
  readonly #rulesets = new Rulesets();
  readonly #captures: Captures;

  constructor({ runRoot, resolvConf = async () => undefined, node = NetNamespace.self() }: KernelReaderOptions) {
    this.#directory = join(runRoot, NAMESPACE_DIRECTORY);
    this.#resolvConf = resolvConf;
    this.#node = node;
    this.#captures = new Captures((name, use) => this.#in(name, use));
  }

  /** Never throws: what cannot be read is said in the fact. */
  async answer(query: Query): Promise<Fact> {
    try {
      if (!Object.hasOwn(this.#answerers, query.kind)) throw new TypeError(`it has no answer to "${query.kind}"`);
      const answerer = this.#answerers[query.kind] as (asked: Query) => Fact | Promise<unknown>;
      return { answer: (await answerer(query)) as Answers[Kind] };
    } catch (error) {
      return { error: messageOf(error) };
    }
  }

  close(): void {
    this.#captures.close();
  }

  readonly #answerers: Answerers = {
    namespaces: () => listNamespaces(this.#directory),
    links: ({ namespace }) => this.#route(namespace, (route) => route.links()),
    holders: ({ address }) => this.#holders(address),
    peer: (query) => this.#peer(query),
    addresses: ({ namespace }) => this.#route(namespace, (route) => route.addresses()),
    route: (query) => this.#lookup(query),
    rules: ({ namespace }) => this.#route(namespace, (route) => route.rules()),
    neighbours: ({ namespace, address }) =>
      this.#route(namespace, (route) => route.neighbours().filter((entry) => entry.address === address)),
    fdb: ({ namespace, mac }) =>
      this.#route(namespace, (route) => route.fdb().filter((entry) => entry.mac === mac || entry.mac === NO_MAC)),
    sysctls: ({ namespace, keys }) =>
      this.#in(namespace, (inside) => Object.fromEntries(keys.map((key) => [key, readSysctl(inside, key) ?? null]))),
    hook: ({ namespace, hook, layer, packet, prefer }) =>
      this.#in(namespace, async (inside) =>
        followHook(
          await this.#rulesets.of(inside),
          layer === 'bridge' ? ['bridge'] : packet.source.includes(':') ? ['ip6', 'inet'] : ['ip', 'inet'],
          hook,
          packet,
          prefer,
        ),
      ),
    listeners: ({ namespace }) => this.#in(namespace, readListeners),
    wayBack: ({ namespace }) => this.#in(namespace, readWayBack),
    resolve: async ({ namespace, name }) => {
      const conf = parseResolvConf((await this.#resolvConf(namespace)) ?? '');
      return this.#in(namespace, (inside) => askResolvers(inside, conf, name));
    },
    capture: ({ id, taps, tokens }) => this.#captures.open(id, taps, tokens),
    send: ({ namespace, packet }) => this.#in(namespace, (inside) => ({ bytes: sendProbe(inside, packet) })),
    security: (query) => this.#in(NODE_NAMESPACE, (inside) => readSecurity(inside, query)),
    ipvs: ({ namespace, family, mark }) => this.#in(namespace, (inside) => readIpvs(inside, { family, mark })),
    sightings: ({ id, waitMs }) => this.#captures.collect(id, waitMs),
  };

  /** @throws KernelError when there is no such namespace */
  #in<T>(name: string, use: (namespace: NetNamespace) => T): T {
    if (name === NODE_NAMESPACE) return use(this.#node);
    if (basename(name) !== name || name.startsWith('.')) throw new TypeError(`"${name}" is no name of a namespace`);
    const namespace = NetNamespace.open(join(this.#directory, name));
    let result: T;
    try {
      result = use(namespace);
    } catch (error) {
      namespace.close();
      throw error;
    }
    if (!(result instanceof Promise)) {
      namespace.close();
      return result;
    }
    return result.finally(() => namespace.close()) as T;
  }

  #route<T>(name: string, read: (route: RouteSocket) => T): T {
    return this.#in(name, (namespace) => {
      const route = new RouteSocket(namespace);
      try {
        return read(route);
      } finally {
        route.close();
      }
    });
  }

  #lookup(query: QueryOf<'route'>): RouteAnswer {
    const input = query.input === '' ? undefined : this.#linkIn(query.namespace, query.input).index;
    return this.#in(query.namespace, (namespace) => {
      const socket = new NetlinkSocket({ namespace, protocol: NETLINK_ROUTE });
      try {
        return parseRouteLookup(socket.get(routeLookup(query, input), 'look up route'));
      } catch (error) {
        if (!isKernelError(error)) throw error;
        return { found: false, code: error.code, words: error.message.replace(/^.*?: /, '') };
      } finally {
        socket.close();
      }
    });
  }

  #linkIn(namespace: string, name: string): Link {
    const link = this.#route(namespace, (route) => route.link({ name }));
    if (!link) throw new KernelError(`read link ${name}`, { errno: ENODEV, words: 'No such device' });
    return link;
  }

  async #holders(address: string): Promise<Holder[]> {
    const holders: Holder[] = [];
    for (const namespace of [NODE_NAMESPACE, ...listNamespaces(this.#directory)]) {
      holders.push(...this.#route(namespace, (route) => holdersIn(namespace, route, address)));
      await yieldToLoop();
    }
    return holders;
  }

  #peer({ namespace, index }: QueryOf<'peer'>): Peer | null {
    const link = this.#route(namespace, (route) => route.link({ index }));
    if (link?.peerIndex === undefined) return null;
    const reference = { index: link.peerIndex };
    const home = link.peerNetnsId === undefined ? namespace : this.#namespaceOf(namespace, link.peerNetnsId);
    if (home === undefined) return { namespace: undefined, index: link.peerIndex, link: undefined };
    return {
      namespace: home,
      index: link.peerIndex,
      link: this.#route(home, (route) => route.link(reference)),
    };
  }

  /** The name of the namespace that another one calls by a number. */
  #namespaceOf(from: string, id: number): string | undefined {
    return this.#route(from, (route) =>
      [NODE_NAMESPACE, ...listNamespaces(this.#directory)].find((name) =>
        this.#in(name, (other) => route.namespaceId(other) === id),
      ),
    );
  }
}

function holdersIn(namespace: string, route: RouteSocket, address: string): Holder[] {
  const indexes = route.addresses().filter(({ cidr }) => cidr.slice(0, cidr.lastIndexOf('/')) === address);
  return indexes.flatMap(({ index }) => {
    const link = route.link({ index });
    return link ? [{ namespace, index, name: link.name, mac: link.mac, up: link.up }] : [];
  });
}

const ENODEV = 19;

function readSecurity(namespace: NetNamespace, { source, destination, port }: QueryOf<'security'>): SecurityAnswer {
  const socket = new EncryptionSocket(namespace);
  try {
    const { associations, policies } = socket.read();
    const isBetween = (item: AssociationId) => item.source === source && item.destination === destination;
    const policy = policies.find((item) => isBetween(item) && item.port === port && item.mark === ENCRYPTION_MARK);
    return { policy: policy?.spi ?? null, associations: associations.filter(isBetween).map(({ spi }) => spi) };
  } finally {
    socket.close();
  }
}

function readWayBack(namespace: NetNamespace): WayBackAnswer | null {
  const reader = new TableReader(namespace);
  try {
    const table = reader.read(['netdev']).get('netdev tsswarm');
    if (!table) return null;
    const hasRule = (chain: string) => (table.chains.get(chain)?.rules.length ?? 0) > 0;
    const pairs = (table.sets.get('gw')?.elements ?? []).map((element) => element.split(' : '));
    return {
      device: table.chains.get('learn')?.base?.device ?? '',
      learns: hasRule('learn'),
      restores: hasRule('restore'),
      known: Object.fromEntries(pairs.map(([mark = '', mac = '']) => [mark, mac])),
    };
  } finally {
    reader.close();
  }
}
