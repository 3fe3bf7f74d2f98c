/** What a rule does with a packet: each of its statements, one after another. Pure. */
import type { verdicts } from '../nf-tables.js';
import { takeAssignment, takeZone } from './assignments.js';
import { learn, masquerade, notrack, registerAt, rejectByIcmp, rejectByReset, verdict } from './expressions.js';
import { takeMatch, takeSetName } from './match.js';
import { FIRST, type Rule } from './rule.js';
import { NftSyntaxError, type Words } from './syntax.js';
import { takeTranslation } from './translations.js';
import { load, takeFields } from './values.js';

type Statement = (rule: Rule, words: Words) => void;

const verdictStatement =
  (kind: keyof typeof verdicts): Statement =>
  (rule) =>
    rule.push(verdict({ kind }));

const statements: Readonly<Record<string, Statement>> = {
  drop: verdictStatement('drop'),
  accept: verdictStatement('accept'),
  return: verdictStatement('return'),
  goto: (rule, words) => rule.push(verdict({ kind: 'goto', chain: words.take('a chain') })),
  jump: (rule, words) => rule.push(verdict({ kind: 'jump', chain: words.take('a chain') })),
  dnat: (rule, words) => takeTranslation(rule, 'dnat', words),
  snat: (rule, words) => takeTranslation(rule, 'snat', words),
  masquerade: (rule) => rule.push(masquerade),
  notrack: (rule) => rule.push(notrack),
  reject: (rule, words) => takeRejection(rule, words),
  add: (rule, words) => takeLearning(rule, 'add', words),
  update: (rule, words) => takeLearning(rule, 'update', words),
};

/** Reads the next statement. @throws NftSyntaxError */
export function takeStatement(rule: Rule, words: Words): void {
  const statement = statements[words.next ?? ''];
  if (statement) {
    words.take('a statement');
    statement(rule, words);
    return;
  }
  if (takeZone(rule, words)) return;
  const fields = takeFields(words);
  if (words.accept('set')) takeAssignment(rule, fields, words);
  else takeMatch(rule, fields, words);
}

const TCP = 6;
/** Codes of "port unreachable" (RFC 792, RFC 4443). */
const refusals = { ip: { name: 'icmp', code: 3 }, ip6: { name: 'icmpv6', code: 4 } } as const;

function takeRejection(rule: Rule, words: Words): void {
  words.expect('with');
  if (words.accept('tcp')) {
    words.expect('reset');
    rule.require({ transport: TCP });
    rule.push(rejectByReset);
    return;
  }
  const { family } = rule.table;
  if (family !== 'ip' && family !== 'ip6') throw new NftSyntaxError(`a table of family ${family} rejects nothing`);
  words.expect(refusals[family].name);
  words.expect('port-unreachable');
  rule.push(rejectByIcmp(refusals[family].code));
}

/** `update @set { ip saddr }`, `add @map { meta mark : ether saddr }`. */
function takeLearning(rule: Rule, operation: 'add' | 'update', words: Words): void {
  const set = takeSetName(words);
  words.expect('{');
  const key = takeFields(words);
  load(rule, key);
  if (!words.accept(':')) {
    rule.push(learn(set, operation, FIRST, undefined));
  } else {
    // From the next register of 16 bytes on: keys of ours fit one.
    const room = 16;
    load(rule, takeFields(words), room);
    rule.push(learn(set, operation, FIRST, registerAt(room)));
  }
  words.expect('}');
}
