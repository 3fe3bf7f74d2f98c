import { TABLE } from '../names.js';
import type { HookOutcome, RuleReference, Translation } from './evaluate.js';
import type { FactBook } from './facts.js';
import type { Candidate, Hop } from './hop.js';
import type { HookPacket } from './packet.js';
import type { Answers, HookQuestion } from './queries.js';
import type { Directory, DirectoryNode } from './question.js';

/** A namespace on a node. */
export interface Place {
  /** Node id. */
  readonly node: string;
  readonly namespace: string;
}

export interface Frame {
  readonly source: string;
  readonly destination: string;
}

/** What a namespace has done to a connection: undone for its answers. */
export interface Change {
  readonly place: Place;
  readonly before: HookPacket;
  readonly after: HookPacket;
}

export type LinkFact = Answers['links'][number];

/** What is open of a hop: the rest follows from where it is. */
export type HopDraft = Pick<Hop, 'kind' | 'title'> &
  Partial<Pick<Hop, 'details' | 'status' | 'reason' | 'hint' | 'candidates'>> & { readonly tap?: string | undefined };

/** Ends a walk: a packet gets no further than the last hop. */
export class Lost extends Error {}

/** A packet under way: where the facts come from, and the hops so far. */
export class Walk {
  readonly book: FactBook;
  readonly directory: Directory;
  readonly hops: Hop[];
  readonly leg: Hop['leg'];
  readonly prefer: string;
  /** Translations of the way there. */
  readonly changes: Change[];
  /** Bytes of the largest IP packet that the sender sends; 0 until it is known. */
  size = 0;

  constructor(options: Pick<Walk, 'book' | 'directory' | 'hops' | 'leg' | 'prefer' | 'changes'>) {
    this.book = options.book;
    this.directory = options.directory;
    this.hops = options.hops;
    this.leg = options.leg;
    this.prefer = options.prefer;
    this.changes = options.changes;
  }

  add(place: Place | undefined, draft: HopDraft): void {
    if (this.hops.length > MAX_HOPS) throw new Lost();
    this.hops.push({
      leg: this.leg,
      node: place ? this.nodeName(place.node) : '',
      namespace: place?.namespace ?? '',
      owner: this.owner(place),
      kind: draft.kind,
      title: draft.title,
      details: draft.details ?? {},
      status: draft.status ?? 'ok',
      reason: draft.reason ?? '',
      hint: draft.hint ?? '',
      candidates: draft.candidates ?? [],
      tap:
        place && draft.tap !== undefined
          ? { nodeId: place.node, namespace: place.namespace, link: draft.tap }
          : undefined,
    });
  }

  /** Adds the hop at which it ends. */
  lose(place: Place | undefined, draft: HopDraft & { readonly reason: string }): never {
    this.add(place, { ...draft, status: 'broken' });
    throw new Lost();
  }

  nodeName(id: string): string {
    return this.directory.nodes.find((node) => node.id === id)?.name ?? id;
  }

  nodeAt(address: string): DirectoryNode | undefined {
    return this.directory.nodes.find(({ vtep, addresses }) => vtep === address || addresses.includes(address));
  }

  owner(place: Place | undefined): string {
    if (!place) return '';
    return this.directory.owners[place.namespace] ?? '';
  }

  /** "web.1 on node2", or the address alone. */
  who(address: string): string {
    const endpoint = this.directory.endpoints.find((candidate) => candidate.address === address);
    if (!endpoint) return address;
    const node = endpoint.node === '' ? '' : ` on ${this.nodeName(endpoint.node)}`;
    return `${address} (${endpoint.owner}${node})`;
  }

  links(place: Place): readonly LinkFact[] {
    return this.book.get(place.node, { kind: 'links', namespace: place.namespace });
  }

  link(place: Place, index: number): LinkFact | undefined {
    return this.links(place).find((link) => link.index === index);
  }

  addresses(place: Place): Answers['addresses'] {
    return this.book.get(place.node, { kind: 'addresses', namespace: place.namespace });
  }

  isLocal(place: Place, address: string): boolean {
    if (address.startsWith('127.')) return true;
    return this.addresses(place).some(({ cidr }) => cidr.slice(0, cidr.lastIndexOf('/')) === address);
  }

  /** Goes through the rules of a hook; refusals and translations become hops. */
  hook(place: Place, hook: HookQuestion['hook'], packet: HookPacket, layer: HookQuestion['layer'] = 'ip'): HookPacket {
    const outcome = this.book.get(place.node, {
      kind: 'hook',
      namespace: place.namespace,
      hook,
      layer,
      packet,
      prefer: this.prefer,
    });
    for (const translation of outcome.translations) this.#translated(place, translation, packet, outcome.packet);
    for (const suspicion of outcome.suspicions) this.#suspect(place, hook, suspicion);
    if (outcome.verdict === 'accept') return outcome.packet;
    const by = outcome.by;
    const [reason, hint] = refusal(outcome, this.owner(place));
    this.lose(place, {
      kind: 'filter',
      title: by ? `${by.chain} ${outcome.verdict}s` : `${hook} ${outcome.verdict}s`,
      details: by ? ruleDetails(by, hook) : { hook },
      reason,
      hint,
    });
  }

  #translated(place: Place, { kind, rule, choices }: Translation, before: HookPacket, after: HookPacket): void {
    this.changes.push({ place, before, after });
    const to = kind === 'dnat' ? endOf(after.destination, after.destinationPort) : after.source;
    const from = kind === 'dnat' ? endOf(before.destination, before.destinationPort) : before.source;
    const isBalancer = kind === 'dnat' && (choices.length > 1 || /^(?:service_|virtual_)/.test(rule.chain));
    const candidates = choices.map((choice, i): Candidate => {
      const endpoint = this.directory.endpoints.find(({ address }) => address === choice.address);
      return {
        address: choice.address,
        port: choice.port,
        weight: choice.weight,
        owner: endpoint?.owner ?? '',
        node: endpoint ? this.nodeName(endpoint.node) : '',
        taken: i === 0,
      };
    });
    this.add(place, {
      kind: isBalancer ? 'balancer' : 'translation',
      title: `${kind === 'dnat' ? 'destination' : 'source'} ${from} → ${to}`,
      details: ruleDetails(rule, kind),
      candidates: kind === 'dnat' ? candidates : [],
    });
  }

  #suspect(place: Place, hook: string, { rule, action }: HookOutcome['suspicions'][number]): void {
    this.add(place, {
      kind: 'filter',
      title: `${rule.chain} may ${action}`,
      details: ruleDetails(rule, hook),
      status: 'doubtful',
      reason: `a rule of table ${rule.family} ${rule.table} may ${action} it: ${rule.text}`,
      hint: `Look at its counter: nft -a list chain ${rule.family} ${rule.table} ${rule.chain}`,
    });
  }
}

/** More than the longest way there and back has. */
const MAX_HOPS = 120;

export const endOf = (address: string, port: number | undefined): string =>
  port === undefined ? address : `${address}:${port}`;

export const hex = (value: number): string => `0x${(value >>> 0).toString(16)}`;

const ruleDetails = ({ family, table, chain, handle, text }: RuleReference, hook: string) => ({
  hook,
  table: `${family} ${table}`,
  chain,
  ...(handle === 0 ? {} : { handle: String(handle) }),
  rule: text,
});

/** What our own refusals mean; others are named as they are. */
function refusal({ verdict, by, packet }: HookOutcome, owner: string): readonly [reason: string, hint: string] {
  if (!by) return [`it is refused (${verdict})`, ''];
  if (by.table === TABLE) {
    if (by.chain === 'virtual_refuse')
      return [`the service of ${packet.destination} has no task that takes connections`, 'See: tsswarm service ps'];
    if (by.chain === 'input' && packet.mark !== 0)
      return [`no task takes connections to published port ${packet.destinationPort ?? ''}`, 'See: tsswarm service ps'];
    if (by.chain === 'isolation')
      return [
        `it may not be forwarded there: ${by.text}`,
        'Bridges reach each other, and internal ones at all, only through published ports.',
      ];
    if (by.chain === 'inward')
      return ['networks of this node reach each other only through published ports', 'See: tsswarm network connect'];
    if (by.chain === 'ingress_guard')
      return [
        `${owner || 'the task'} takes no connections from inside the ingress network but through a published port`,
        '',
      ];
  }
  const where = `table ${by.family} ${by.table}, chain ${by.chain}`;
  const hint = `Look: nft -a list chain ${by.family} ${by.table} ${by.chain}`;
  return by.handle === 0
    ? [`the policy of ${where} is drop, and no rule of it accepts the packet`, hint]
    : [`a rule ${verdict}s it: ${by.text} (${where}, handle ${by.handle})`, hint];
}
