/** Commands of nft(8), one at a time. Pure. */
import { attribute, nested, text, u32be } from '../../kernel/attributes.js';
import { type NetlinkRequest, NLM_F_APPEND, NLM_F_CREATE } from '../../kernel/messages.js';
import { NFNL_SUBSYS_NFTABLES, nfRequest } from '../../kernel/nfnetlink.js';
import {
  families,
  inetHooks,
  NFT_MSG_DELCHAIN,
  NFT_MSG_DELRULE,
  NFT_MSG_DELSET,
  NFT_MSG_DELTABLE,
  NFT_MSG_NEWCHAIN,
  NFT_MSG_NEWRULE,
  NFT_MSG_NEWTABLE,
  NFTA_CHAIN_HOOK,
  NFTA_CHAIN_NAME,
  NFTA_CHAIN_POLICY,
  NFTA_CHAIN_TYPE,
  NFTA_HOOK_DEV,
  NFTA_HOOK_HOOKNUM,
  NFTA_HOOK_PRIORITY,
  NFTA_RULE_CHAIN,
  NFTA_RULE_EXPRESSIONS,
  NFTA_RULE_USERDATA,
  NFTA_SET_NAME,
  NFTA_TABLE,
  NFTA_TABLE_FLAGS,
  netdevHooks,
  verdicts,
} from '../nf-tables.js';
import type { TableFamily } from '../table.js';
import { takeElements, takeSet } from './named-sets.js';
import { Rule, type Surroundings } from './rule.js';
import type { TableReference } from './sets.js';
import { takeStatement } from './statements.js';
import { NftSyntaxError, type Words } from './syntax.js';
import { userdata } from './userdata.js';

type Command = (words: Words, surroundings: Surroundings) => NetlinkRequest[];

const commands: Readonly<Record<string, Command>> = {
  'add table': (words) => [tableRequest(NFT_MSG_NEWTABLE, takeTable(words), attribute(NFTA_TABLE_FLAGS, u32be(0)))],
  'delete table': (words) => [tableRequest(NFT_MSG_DELTABLE, takeTable(words))],
  'add chain': takeChain,
  'delete chain': (words) => [namedRequest(NFT_MSG_DELCHAIN, NFTA_CHAIN_NAME, words)],
  'flush chain': (words) => [namedRequest(NFT_MSG_DELRULE, NFTA_RULE_CHAIN, words)],
  'add rule': takeRule,
  'add set': (words, surroundings) => [takeSet(takeTable(words), 'set', words, surroundings)],
  'add map': (words, surroundings) => [takeSet(takeTable(words), 'map', words, surroundings)],
  'delete set': (words) => [namedRequest(NFT_MSG_DELSET, NFTA_SET_NAME, words)],
  'delete map': (words) => [namedRequest(NFT_MSG_DELSET, NFTA_SET_NAME, words)],
  'add element': (words, surroundings) => takeElements(takeTable(words), 'add', words, surroundings),
  'delete element': (words, surroundings) => takeElements(takeTable(words), 'delete', words, surroundings),
};

/** Reads a command whole. @throws NftSyntaxError, NftablesError for a set that is not there */
export function takeCommand(words: Words, surroundings: Surroundings): NetlinkRequest[] {
  const name = `${words.take('a command')} ${words.take('what it is about')}`;
  const command = commands[name];
  if (!command) throw new NftSyntaxError(`"${name}" is no command of ours`);
  const requests = command(words, surroundings);
  words.end();
  return requests;
}

const isFamily = (word: string): word is TableFamily => /^(ip|ip6|bridge|netdev)$/.test(word);

function takeTable(words: Words): TableReference {
  const family = words.take('a family');
  if (!isFamily(family)) throw new NftSyntaxError(`"${family}" is no family of tables of ours`);
  return { family, name: words.take('the name of a table') };
}

const tableRequest = (type: number, { family, name }: TableReference, ...attributes: readonly Buffer[]) =>
  nfRequest(NFNL_SUBSYS_NFTABLES, type, 0, families[family], attribute(NFTA_TABLE, text(name)), ...attributes);

/** Of an object that is known by its name in a table, which are all that comes. */
function namedRequest(type: number, attributeOfName: number, words: Words): NetlinkRequest {
  const table = takeTable(words);
  return tableRequest(type, table, attribute(attributeOfName, text(words.take('a name'))));
}

/** `{ type filter hook input priority 0; policy accept; }`, or nothing: one that others lead to. */
function takeChain(words: Words): NetlinkRequest[] {
  const table = takeTable(words);
  const name = attribute(NFTA_CHAIN_NAME, text(words.take('the name of a chain')));
  const base = words.accept('{') ? takeBase(table, words) : [];
  const request = tableRequest(NFT_MSG_NEWCHAIN, table, name, ...base);
  return [{ ...request, flags: NLM_F_CREATE }];
}

function takeBase({ family }: TableReference, words: Words): Buffer[] {
  words.expect('type');
  const type = words.take('the type of a chain');
  words.expect('hook');
  const hook = words.take('a hook');
  const numbers: Readonly<Record<string, number>> = family === 'netdev' ? netdevHooks : inetHooks;
  const number = numbers[hook];
  if (number === undefined) throw new NftSyntaxError(`family ${family} has no hook "${hook}"`);
  const device = words.accept('device') ? [attribute(NFTA_HOOK_DEV, text(words.quoted('a device')))] : [];
  words.expect('priority');
  const priority = words.take('a priority');
  if (!/^-?\d+$/.test(priority)) throw new NftSyntaxError(`"${priority}" is not a number`);
  words.expect(';');
  const policy = takePolicy(words);
  words.expect('}');
  return [
    attribute(NFTA_CHAIN_TYPE, text(type)),
    attribute(NFTA_CHAIN_POLICY, u32be(policy)),
    nested(
      NFTA_CHAIN_HOOK,
      attribute(NFTA_HOOK_HOOKNUM, u32be(number)),
      attribute(NFTA_HOOK_PRIORITY, u32be(Number(priority))),
      ...device,
    ),
  ];
}

function takePolicy(words: Words): number {
  words.expect('policy');
  const policy = words.take('a policy');
  if (policy !== 'accept' && policy !== 'drop') throw new NftSyntaxError(`"${policy}" is no policy`);
  words.expect(';');
  return verdicts[policy];
}

/** libnftables, enum udata_type. */
const UDATA_COMMENT = 0;

function takeRule(words: Words, surroundings: Surroundings): NetlinkRequest[] {
  const table = takeTable(words);
  const chain = attribute(NFTA_RULE_CHAIN, text(words.take('the name of a chain')));
  const rule = new Rule(table, surroundings);
  while (words.next !== undefined && words.next !== 'comment') takeStatement(rule, words);
  const comment = words.accept('comment')
    ? [attribute(NFTA_RULE_USERDATA, userdata([[UDATA_COMMENT, text(words.quoted('a comment'))]]))]
    : [];
  const request = tableRequest(
    NFT_MSG_NEWRULE,
    table,
    chain,
    nested(NFTA_RULE_EXPRESSIONS, ...rule.expressions),
    ...comment,
  );
  return [...rule.sets, { ...request, flags: NLM_F_CREATE | NLM_F_APPEND }];
}
