/** The commands of nft(8) that make an actual table the one that shall be. Pure. */
import { listDifference } from '../../lib/kept-list.js';
import { rememberedOf } from '../../lib/remembered.js';
import { ruleComment } from './decode.js';
import { differenceOf, type ElementsDifference } from './elements.js';
import {
  type ActualChain,
  type ActualSet,
  type ActualTable,
  type BaseChain,
  type Chain,
  elementKey,
  keyOf,
  type NftSet,
  ruleDigest,
  type Table,
} from './table.js';

/** Elements per `add element`: an error names the line, and a line is to be read. */
const ELEMENTS_PER_COMMAND = 200;
/** Characters of one transaction: some 10 ms, most of them the kernel's. */
const TRANSACTION_SIZE = 20_000;

/** Commands that take effect together. */
export type Transaction = readonly string[];

/**
 * The transactions to run, in order; none when nothing differs. Only chains and elements that differ are
 * touched, so that round robin counters and learned elements of the others stay. A change is one
 * transaction unless it is so large that it would hold up the process; a chain's rules change at once
 * even then, and nothing leads to a chain before it has its rules.
 * @param rewrite make the table anew, with what its sets have learned
 * @param fresh no packet has passed in the namespace yet
 */
export function diffTable(
  table: Table,
  actual: ActualTable | undefined,
  { rewrite = false, fresh = false }: { readonly rewrite?: boolean; readonly fresh?: boolean } = {},
): Transaction[] {
  if (actual === undefined) return pack(define(table, undefined, fresh));
  const differing = withoutKept(table, actual);
  if (rewrite || structureDiffers(differing.table, differing.actual))
    return [[`delete table ${keyOf(table)}`, ...define(table, actual, false).flat()]];
  return pack(change(differing.table, differing.actual));
}

/** What a table was when the kernel was brought to show it. */
const madeFrom = new WeakMap<ActualTable, Table>();

/** Both without chains that are the same objects now as when the table was brought to be what it is: they do not differ. */
function withoutKept(table: Table, actual: ActualTable): { readonly table: Table; readonly actual: ActualTable } {
  const before = madeFrom.get(actual);
  if (!before) return { table, actual };
  const { added, removed } = listDifference(before.chains, table.chains);
  const names = new Set([...added, ...removed].map(({ name }) => name));
  const chains = new Map<string, ActualChain>();
  for (const name of names) {
    const chain = actual.chains.get(name);
    if (chain) chains.set(name, chain);
  }
  return { table: { ...table, chains: added }, actual: { ...actual, chains } };
}

/**
 * What the kernel shows of a table after its difference was run.
 * @param settled after that, what journals no longer need was taken out of them, too
 */
export function madeOf(
  table: Table,
  before: ActualTable | undefined,
  { settled = false }: { readonly settled?: boolean } = {},
): ActualTable {
  const elementsOf = (set: NftSet) => (settled && set.keep === 'journal' ? set.elements : keptElements(set, before));
  const made: ActualTable = {
    chains: new Map(table.chains.map((chain) => [chain.name, madeChain(chain)])),
    sets: new Map(table.sets.map((set) => [set.name, madeSet(set, elementsOf(set), before?.sets.get(set.name))])),
  };
  madeFrom.set(made, table);
  return made;
}

const madeChain = rememberedOf(({ base, rules }: Chain): ActualChain => ({ base, rules: rules.map(ruleDigest) }));

/** The same object as before when nothing of it has changed. */
function madeSet(
  { key, value, counted }: NftSet,
  elements: readonly string[],
  before: ActualSet | undefined,
): ActualSet {
  const isSame =
    before?.elements === elements && before.key === key && before.value === value && before.counted === counted;
  return isSame ? before : { key, value, elements, ...(counted ? { counted } : {}) };
}

/** Joins steps, each to be taken at once, to transactions of limited size. */
export function pack(steps: readonly Transaction[]): Transaction[] {
  const transactions: string[][] = [];
  let size = TRANSACTION_SIZE;
  for (const step of steps) {
    if (step.length === 0) continue;
    const length = step.reduce((sum, command) => sum + command.length, 0);
    if (size + length > TRANSACTION_SIZE) {
      transactions.push([]);
      size = 0;
    }
    transactions.at(-1)?.push(...step);
    size += length;
  }
  return transactions;
}

/** A set or base chain of another type cannot be changed in place. */
function structureDiffers(table: Table, actual: ActualTable): boolean {
  return (
    table.sets.some((set) => {
      const now = actual.sets.get(set.name);
      if (now === undefined) return false;
      return now.key !== set.key || now.value !== set.value || now.counted !== set.counted;
    }) ||
    table.chains.some((chain) => {
      const now = actual.chains.get(chain.name);
      return now !== undefined && now !== madeChain(chain) && baseText(now.base) !== baseText(chain.base);
    })
  );
}

/**
 * What a counted journal has when its table is made where packets have passed: what was counted before is not known,
 * and it shall not say that nobody went there.
 */
const SUSPECTED = ' counter packets 1 bytes 0';

function define(table: Table, actual: ActualTable | undefined, fresh: boolean): Transaction[] {
  const key = keyOf(table);
  const elementsOf = (set: NftSet) => {
    const elements = keptElements(set, actual);
    return set.keep === 'journal' && set.counted && !fresh ? elements.map((one) => one + SUSPECTED) : elements;
  };
  return [
    [`add table ${key}`, ...table.sets.map((set) => addSet(key, set))],
    ...table.chains.map((chain) => [addChain(key, chain)]),
    ...table.chains.map((chain) => addRules(key, chain)),
    ...table.sets.flatMap((set) => steps(addElements(key, set.name, elementsOf(set)))),
  ];
}

const steps = (commands: readonly string[]): Transaction[] => commands.map((command) => [command]);

/** What a set has after its table was made anew: nothing that was learned or not yet dealt with is lost. */
function keptElements(set: NftSet, actual: ActualTable | undefined): readonly string[] {
  const now = actual?.sets.get(set.name);
  if (set.keep === 'exact' || now?.key !== set.key || now.value !== set.value) return set.elements;
  const { gone } = differenceOf(set.elements, now.elements);
  return gone.length === 0 ? set.elements : [...set.elements, ...gone];
}

function change(table: Table, actual: ActualTable): Transaction[] {
  const key = keyOf(table);
  const chains = new Set(table.chains.map((chain) => chain.name));
  const sets = new Set(table.sets.map((set) => set.name));
  const changed = table.chains.filter((chain) => rulesDiffer(chain, actual.chains.get(chain.name)));
  const elements = table.sets.map((set) => ({ set, ...diffElements(set, actual) }));
  const staleChains = [...actual.chains.keys()].filter((name) => !chains.has(name));
  const staleSets = [...actual.sets].filter(([name]) => !sets.has(name));
  const missingIn = (which: (set: NftSet) => boolean) =>
    elements.filter(({ set }) => which(set)).flatMap(({ set, missing }) => steps(addElements(key, set.name, missing)));
  const flush = ({ name }: Chain) => (actual.chains.get(name)?.rules.length ? [`flush chain ${key} ${name}`] : []);
  return [
    table.sets.filter((set) => !actual.sets.has(set.name)).map((set) => addSet(key, set)),
    ...steps(table.chains.filter((chain) => !actual.chains.has(chain.name)).map((chain) => addChain(key, chain))),
    // Nobody takes a way that is in no journal yet.
    ...missingIn(({ keep }) => keep === 'journal'),
    // Elements go before the chains that they lead to, and rules before the sets that they look into.
    ...elements.flatMap(({ set, gone }) => steps(deleteElements(key, set.name, gone))),
    // The kernel keeps a chain for as long as any map leads to it, one that is to go too.
    ...staleSets.flatMap(([name, { value, elements: all }]) =>
      value === 'verdict' ? steps(deleteElements(key, name, all)) : [],
    ),
    ...changed.map((chain) => [...flush(chain), ...addRules(key, chain)]),
    ...steps(staleChains.map((name) => `flush chain ${key} ${name}`)),
    ...missingIn(({ keep }) => keep !== 'journal'),
    ...steps(staleChains.map((name) => `delete chain ${key} ${name}`)),
    staleSets.map(([name, { value }]) => `delete ${value === undefined ? 'set' : 'map'} ${key} ${name}`),
  ];
}

function rulesDiffer(chain: Chain, now: ActualChain | undefined): boolean {
  if (now === undefined) return chain.rules.length > 0;
  const made = madeChain(chain);
  return made !== now && made.rules.join() !== now.rules.join();
}

function diffElements(set: NftSet, actual: ActualTable): ElementsDifference {
  const { missing, gone } = differenceOf(set.elements, actual.sets.get(set.name)?.elements ?? []);
  return { missing, gone: set.keep === 'exact' ? gone : [] };
}

/** Seconds between two rounds of the kernel's through a set for what has timed out; the kernel's own is one. */
const ROUNDS = 30;

function addSet(key: string, { name, key: type, value, keep, timeout, size = 65_535, counted }: NftSet): string {
  const flags =
    timeout === undefined
      ? 'dynamic;'
      : `dynamic,timeout; timeout ${timeout}s; gc-interval ${Math.min(ROUNDS, timeout)}s;`;
  const learned = keep === 'learned' ? ` size ${size}; flags ${flags}` : '';
  return value === undefined
    ? `add set ${key} ${name} { type ${type};${learned}${counted ? ' counter;' : ''} }`
    : `add map ${key} ${name} { type ${type} : ${value};${learned} }`;
}

function baseText(base: BaseChain | undefined): string {
  if (base === undefined) return '';
  const device = base.device === undefined ? '' : ` device "${base.device}"`;
  return ` { type ${base.type} hook ${base.hook}${device} priority ${base.priority}; policy ${base.policy}; }`;
}

const addChain = (key: string, chain: Chain): string => `add chain ${key} ${chain.name}${baseText(chain.base)}`;

const addRules = (key: string, chain: Chain): string[] =>
  chain.rules.map((rule) => `add rule ${key} ${chain.name} ${rule} comment "${ruleComment(ruleDigest(rule))}"`);

function inGroups(elements: readonly string[], command: (group: string) => string): string[] {
  const commands: string[] = [];
  for (let i = 0; i < elements.length; i += ELEMENTS_PER_COMMAND)
    commands.push(command(elements.slice(i, i + ELEMENTS_PER_COMMAND).join(', ')));
  return commands;
}

const addElements = (key: string, set: string, elements: readonly string[]): string[] =>
  inGroups(elements, (group) => `add element ${key} ${set} { ${group} }`);

export const deleteElements = (key: string, set: string, elements: readonly string[]): string[] =>
  inGroups(elements.map(elementKey), (group) => `delete element ${key} ${set} { ${group} }`);
