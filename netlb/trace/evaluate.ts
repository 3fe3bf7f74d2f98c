/**
 * Follows a packet through the rules of one hook (nftables' own order and meaning: nft(8)). Where it cannot be
 * told whether a rule matches (limits, extensions of iptables, what the packet does not say) the rule is
 * taken for one that may match: its refusal is a suspicion, not a verdict. Pure.
 */

import type { NftFamily } from '../kernel/nftables.js';
import { elementsOf, textOf } from './constants.js';
import { lookup, matches, valueIn } from './expressions.js';
import type { HookPacket } from './packet.js';
import {
  baseChains,
  type Hook,
  isList,
  isObject,
  type Json,
  type RulesetChain,
  type RulesetTable,
  ruleText,
} from './ruleset.js';

/** Where a rule is, as `nft -a list chain` finds it. Handle 0: the chain's policy. */
export interface RuleReference {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly handle: number;
  readonly text: string;
}

export interface Choice {
  readonly address: string;
  /** Undefined: the port stays. */
  readonly port: number | undefined;
  /** Turns of the round robin that lead there. */
  readonly weight: number;
}

export interface Translation {
  readonly kind: 'dnat' | 'snat' | 'masquerade';
  readonly rule: RuleReference;
  /** All that it can become; the first is what was taken here. */
  readonly choices: readonly Choice[];
}

export type Refusal = 'drop' | 'reject';

export interface HookOutcome {
  readonly verdict: 'accept' | Refusal;
  /** What refused it. */
  readonly by: RuleReference | undefined;
  /** As it is afterwards. */
  readonly packet: HookPacket;
  readonly translations: readonly Translation[];
  /** Rules that may refuse it. */
  readonly suspicions: readonly { readonly rule: RuleReference; readonly action: Refusal }[];
}

type Ending = 'accept' | Refusal | 'return' | undefined;

/**
 * @param families `ip` and `inet` for what is routed, `bridge` for what is bridged
 * @param prefer address to take where a rule has a choice
 * @throws RangeError when a packet meets too many rules
 */
export function followHook(
  tables: readonly RulesetTable[],
  families: readonly NftFamily[],
  hook: Hook,
  packet: HookPacket,
  prefer = '',
): HookOutcome {
  return new Follower(packet, prefer).run(tables, families, hook);
}

class Follower {
  #packet: HookPacket;
  readonly #prefer: string;
  readonly #translations: Translation[] = [];
  readonly #suspicions: { rule: RuleReference; action: Refusal }[] = [];
  #by: RuleReference | undefined;
  #followed = 0;
  /** An accept of this base chain that may have been taken: no later refusal of it is certain. */
  #mayBeAccepted = false;

  constructor(packet: HookPacket, prefer: string) {
    this.#packet = packet;
    this.#prefer = prefer;
  }

  run(tables: readonly RulesetTable[], families: readonly NftFamily[], hook: Hook): HookOutcome {
    for (const { table, chain } of baseChains(tables, families, hook)) {
      // Connections are translated as their first packet was.
      if (chain.base?.type === 'nat' && this.#packet.state !== 'new') continue;
      this.#mayBeAccepted = false;
      const end = this.#chain(table, chain, true, 0);
      const verdict = end === undefined || end === 'return' ? this.#policy(chain) : end;
      if (verdict === 'drop' || verdict === 'reject') return this.#outcome(verdict);
    }
    return this.#outcome('accept');
  }

  #outcome(verdict: HookOutcome['verdict']): HookOutcome {
    return {
      verdict,
      by: verdict === 'accept' ? undefined : this.#by,
      packet: this.#packet,
      translations: this.#translations,
      suspicions: this.#suspicions,
    };
  }

  #policy(chain: RulesetChain): Ending {
    if (chain.base?.policy !== 'drop') return 'accept';
    return this.#refuse({ ...reference(chain), handle: 0, text: 'policy drop' }, 'drop', true);
  }

  #refuse(rule: RuleReference, action: Refusal, certain: boolean): Ending {
    if (certain && !this.#mayBeAccepted) {
      this.#by = rule;
      return action;
    }
    this.#suspicions.push({ rule, action });
    return undefined;
  }

  /** @param certain whether the packet surely comes here @returns undefined at the end of the chain */
  #chain(table: RulesetTable, chain: RulesetChain, certain: boolean, depth: number): Ending {
    if (depth > MAX_DEPTH) return undefined;
    for (const { handle, statements } of chain.rules) {
      if (++this.#followed > MAX_RULES) throw new RangeError(`a packet meets more than ${MAX_RULES} rules here`);
      const rule = () => ({ ...reference(chain), handle, text: ruleText(statements) });
      const end = this.#rule(table, rule, statements, certain, depth);
      if (end !== undefined) return end;
    }
    return undefined;
  }

  #rule(
    table: RulesetTable,
    rule: () => RuleReference,
    statements: readonly Json[],
    reached: boolean,
    depth: number,
  ): Ending {
    let certain = reached;
    for (const statement of statements) {
      if (!isObject(statement)) continue;
      const [[name, value] = ['', null]] = Object.entries(statement);
      if (name === 'match' && isObject(value)) {
        const truth = matches(table, this.#packet, value);
        if (truth === false) return undefined;
        if (truth === undefined) certain = false;
        continue;
      }
      if (name === 'limit' || (name === 'xt' && isObject(value) && value.type === 'match')) {
        certain = false;
        continue;
      }
      const end = this.#effect(table, rule, name, value, certain, depth);
      if (end !== undefined) return end === 'return' && !certain ? undefined : end;
    }
    return undefined;
  }

  #effect(
    table: RulesetTable,
    rule: () => RuleReference,
    name: string,
    value: Json,
    certain: boolean,
    depth: number,
  ): Ending {
    switch (name) {
      case 'accept':
        if (certain) return 'accept';
        this.#mayBeAccepted = true;
        return undefined;
      case 'drop':
      case 'reject':
        return this.#refuse(rule(), name, certain);
      case 'return':
        return 'return';
      case 'jump':
      case 'goto':
        return this.#jump(table, name, isObject(value) ? String(value.target) : '', certain, depth);
      case 'vmap': {
        if (!isObject(value)) return undefined;
        const verdict = lookup(table, value.data, valueIn(table, this.#packet, value.key));
        if (!isObject(verdict)) return undefined;
        const [[inner, argument] = ['', null]] = Object.entries(verdict);
        return this.#effect(table, rule, inner, argument, certain, depth);
      }
      case 'dnat':
      case 'snat':
      case 'masquerade':
        return this.#translate(table, rule, name, value, certain);
      case 'mangle':
        if (certain && isObject(value)) this.#mangle(table, value);
        return undefined;
      default:
        return undefined;
    }
  }

  #jump(table: RulesetTable, how: 'jump' | 'goto', target: string, certain: boolean, depth: number): Ending {
    const chain = table.chains.get(target);
    const end = chain && this.#chain(table, chain, certain, depth + 1);
    if (end !== undefined && end !== 'return') return end;
    // A goto comes back to whoever called the chain that it left, and not to its next rule.
    return how === 'goto' && certain ? 'return' : undefined;
  }

  #translate(
    table: RulesetTable,
    rule: () => RuleReference,
    kind: Translation['kind'],
    value: Json,
    certain: boolean,
  ): Ending {
    if (!certain) return undefined;
    const choices = kind === 'masquerade' ? this.#masquerade() : this.#choices(table, isObject(value) ? value : {});
    const [taken] = choices;
    // A map without the key: the rule does not match.
    if (!taken) return undefined;
    this.#translations.push({ kind, rule: rule(), choices });
    const to = kind === 'dnat' ? 'destination' : 'source';
    const port = kind === 'dnat' ? 'destinationPort' : 'sourcePort';
    const translated = [...this.#packet.translated, kind === 'dnat' ? ('dnat' as const) : ('snat' as const)];
    const ports = taken.port === undefined || this.#packet.protocol === 'icmp' ? {} : { [port]: taken.port };
    this.#packet = { ...this.#packet, [to]: taken.address, ...ports, translated };
    return 'accept';
  }

  #masquerade(): Choice[] {
    const { outputAddress } = this.#packet;
    return outputAddress === '' ? [] : [{ address: outputAddress, port: undefined, weight: 1 }];
  }

  /** The preferred first. */
  #choices(table: RulesetTable, { addr, port }: { readonly [key: string]: Json }): Choice[] {
    const given = typeof port === 'number' ? port : undefined;
    const map = isObject(addr) && isObject(addr.map) ? addr.map : undefined;
    if (!map) return typeof addr === 'string' ? [{ address: addr, port: given, weight: 1 }] : [];
    const isCount = isObject(map.key) && isObject(map.key.numgen);
    const values = isCount
      ? elementsOf(table, map.data).map((pair) => (isList(pair) ? pair[1] : undefined))
      : [lookup(table, map.data, valueIn(table, this.#packet, map.key))];
    const found = new Map<string, Choice>();
    for (const value of values) {
      if (value === undefined) continue;
      const text = textOf(value);
      const [address = '', target] = text.split(' . ');
      const weight = (found.get(text)?.weight ?? 0) + 1;
      found.set(text, { address, port: target === undefined ? given : Number(target), weight });
    }
    return [...found.values()].sort((a, b) => Number(b.address === this.#prefer) - Number(a.address === this.#prefer));
  }

  #mangle(table: RulesetTable, { key, value }: { readonly [key: string]: Json }): void {
    const set = valueIn(table, this.#packet, value);
    if (typeof set !== 'string' || !isObject(key)) return;
    if (isObject(key.meta) && key.meta.key === 'mark') this.#packet = { ...this.#packet, mark: Number(set) };
    if (isObject(key.ct) && key.ct.key === 'mark') this.#packet = { ...this.#packet, connectionMark: Number(set) };
  }
}

/** As the kernel: deeper nests of jumps cannot be made. */
const MAX_DEPTH = 16;
/** Rules that one packet meets: whoever writes rules in a container does not hold the daemon up. */
const MAX_RULES = 20_000;

const reference = ({ family, table, name }: RulesetChain) => ({ family, table, chain: name });
