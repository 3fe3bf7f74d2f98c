/** `add set …`, `add map …`, `add element …`, `delete element …`. Pure. */
import type { NetlinkRequest } from '../../kernel/messages.js';
import { NFT_SET_EVAL, NFT_SET_TIMEOUT } from '../nf-tables.js';
import { bytesOf, type DataType, numberOf, sizeOf, typesNamed, writeValue } from '../types.js';
import type { Verdict } from './expressions.js';
import type { SetTypes, Surroundings } from './rule.js';
import { type EncodedElement, elementRequests, encodeElement, newSet, type TableReference } from './sets.js';
import { NftSyntaxError, type Words } from './syntax.js';

/** Reads `name { type mark : verdict; size 65535; flags dynamic,timeout; timeout 600s; gc-interval 30s; counter; }`. */
export function takeSet(
  table: TableReference,
  kind: 'set' | 'map',
  words: Words,
  surroundings: Surroundings,
): NetlinkRequest {
  const name = words.take('the name of a set');
  words.expect('{');
  const types = takeTypes(words, kind);
  let size: number | undefined;
  let flags = 0;
  let timeout: number | undefined;
  let rounds: number | undefined;
  let counted = false;
  while (!words.accept('}')) {
    if (words.accept('size')) size = numberOf(words.take('a size'), 4);
    else if (words.accept('flags')) flags = flagsOf(words.take('flags'));
    else if (words.accept('timeout')) timeout = secondsOf(words.take('a time-out'));
    else if (words.accept('gc-interval')) rounds = secondsOf(words.take('an interval'));
    else if (words.accept('counter')) counted = true;
    else throw new NftSyntaxError(`no set of ours has ${words.rest()}`);
    words.expect(';');
  }
  surroundings.declare(table, name, types);
  return newSet(table, { name, id: surroundings.nextId(), flags, ...types, size, timeout, rounds, counted });
}

function takeTypes(words: Words, kind: 'set' | 'map'): SetTypes {
  words.expect('type');
  const key = takeType(words);
  if (kind === 'map') words.expect(':');
  const value = kind === 'set' ? undefined : words.accept('verdict') ? 'verdict' : takeType(words);
  words.expect(';');
  return { key, value };
}

function takeType(words: Words): DataType[] {
  const names = [words.take('a type')];
  while (words.accept('.')) names.push(words.take('a type'));
  return typesNamed(names.join(' . '));
}

const flagNumbers: Readonly<Record<string, number>> = { dynamic: NFT_SET_EVAL, timeout: NFT_SET_TIMEOUT };

function flagsOf(text: string): number {
  return text.split(',').reduce((all, word) => {
    const flag = flagNumbers[word];
    if (flag === undefined) throw new NftSyntaxError(`no set of ours has the flag "${word}"`);
    return all | flag;
  }, 0);
}

function secondsOf(text: string): number {
  const [, seconds] = /^(\d+)s$/.exec(text) ?? [];
  if (seconds === undefined) throw new NftSyntaxError(`"${text}" is not a number of seconds, as 600s`);
  return Number(seconds);
}

/** Reads `name { 6 . 80 : 256, 6 . 81 : 257 }`, and of counted sets `name { 6 . 80 counter packets 1 bytes 0 }`. */
export function takeElements(
  table: TableReference,
  operation: 'add' | 'delete',
  words: Words,
  surroundings: Surroundings,
): NetlinkRequest[] {
  const name = words.take('the name of a set');
  const types = surroundings.setOf(table, name);
  const encode = operation === 'add' ? encoder(types) : encoder({ ...types, value: undefined });
  return elementRequests(table, { name }, words.items().map(encode), operation);
}

/**
 * For elements of one set, given as text. Those that have the same form are made of one mould: there may be tens of
 * thousands.
 */
function encoder({ key, value }: SetTypes): (item: string) => EncodedElement {
  const keyOf = (item: string, colon: number) => (colon < 0 ? item : item.slice(0, colon));
  if (value === 'verdict')
    return (item) => {
      const colon = item.indexOf(' : ');
      return encodeElement({ key: bytesOf(key, keyOf(item, colon)), value: verdictOf(valueIn(item, colon)) });
    };
  const clear = (types: readonly DataType[]) => Buffer.alloc(sizeOf(types));
  const mould = encodeElement({ key: clear(key), ...(value && { value: clear(value) }) });
  // Of three attributes, one in another; the value's are the last.
  const keyAt = 12;
  const valueAt = value && mould.length - ((sizeOf(value) + 3) & ~3);
  return (item) => {
    if (item.includes(' counter ')) return countedElement(key, item);
    const colon = item.indexOf(' : ');
    const element = Buffer.from(mould);
    writeValue(key, keyOf(item, colon), element, keyAt);
    if (value && valueAt !== undefined) writeValue(value, valueIn(item, colon), element, valueAt);
    else if (colon >= 0) throw new NftSyntaxError(`"${item}" has a value`);
    return element;
  };
}

function countedElement(key: readonly DataType[], item: string): EncodedElement {
  const [, text, packets, bytes] = /^(.+) counter packets (\d+) bytes (\d+)$/.exec(item) ?? [];
  if (text === undefined) throw new NftSyntaxError(`"${item}" is not of the form 1 counter packets 2 bytes 3`);
  return encodeElement({ key: bytesOf(key, text), count: { packets: Number(packets), bytes: Number(bytes) } });
}

function valueIn(item: string, colon: number): string {
  if (colon < 0) throw new NftSyntaxError(`"${item}" has no value`);
  return item.slice(colon + 3);
}

function verdictOf(text: string): Verdict {
  const [, chain] = /^goto (\S+)$/.exec(text) ?? [];
  if (chain === undefined) throw new NftSyntaxError(`no map of ours has the verdict "${text}"`);
  return { kind: 'goto', chain };
}
