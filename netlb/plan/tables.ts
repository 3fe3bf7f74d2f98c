import type { NamespaceBlueprint } from '../blueprint/model.js';
import { deleteElements, diffTable, madeOf, pack, type Transaction } from '../nft/diff.js';
import { differenceOf } from '../nft/elements.js';
import { type ActualTable, keyOf, type NftSet, type Table } from '../nft/table.js';
import { type ActualNamespace, NOTHING_ACTUAL } from './actual.js';
import { flowFilterOf, newUdpFlows } from './flows.js';
import type { Action, JournalledWay, Operation } from './operation.js';

export interface TablesPlan {
  readonly changes: readonly Operation[];
  /** Connections to be cut when they can no longer be made anew. */
  readonly cuts: readonly Operation[];
}

/**
 * The namespace's nft tables, each by itself: a family that the kernel lacks shall not keep the others from being
 * made. Then connections are cut that go where they no longer may.
 * @param existing undefined: the namespace is made by the same plan
 */
export function planTables(
  wanted: NamespaceBlueprint,
  existing: ActualNamespace | undefined,
  made: ReadonlySet<string>,
): TablesPlan {
  const actual = existing ?? NOTHING_ACTUAL;
  const fresh = existing === undefined;
  const base = { subject: wanted.subject, namespace: wanted.name };
  const keys = new Set(wanted.tables.map(keyOf));
  const stale = [...actual.tables.keys()].filter((key) => !keys.has(key));
  const runs = [
    ...stale.map((key) => run([`delete table ${key}`], [[key, undefined]])),
    ...wanted.tables.flatMap((table) => {
      const now = actual.tables.get(keyOf(table));
      const transactions = transactionsFor(table, now, made, fresh);
      return transactions.map((commands, i) =>
        run(commands, i === transactions.length - 1 ? [[keyOf(table), madeOf(table, now)]] : []),
      );
    }),
  ];
  const forget = wanted.tables.flatMap((table) => forgotten(table, actual.tables.get(keyOf(table))));
  const ways = forget.flatMap(({ ways: gone }) => gone);
  const flows = newUdpFlows(wanted, actual);
  const journal = pack(forget.flatMap(({ commands }) => commands.map((command) => [command])));
  const leaves = () =>
    new Map(
      wanted.tables.map((table) => [keyOf(table), madeOf(table, actual.tables.get(keyOf(table)), { settled: true })]),
    );
  return {
    changes: runs.map((action) => ({ ...base, ...action })),
    cuts:
      flows.length + ways.length > 0 ? [{ ...base, kind: 'forget-flows', flows, ways, journal, leaves: leaves() }] : [],
  };
}

const run = (
  commands: Transaction,
  leaves: readonly (readonly [string, ActualTable | undefined])[],
): Extract<Action, { kind: 'run-nft' }> => ({ kind: 'run-nft', commands, leaves: new Map(leaves) });

/**
 * Kernels before 6.16 drop a netdev chain with its device, later ones do not: when the device is made anew
 * so is the table.
 */
function transactionsFor(
  table: Table,
  actual: ActualTable | undefined,
  made: ReadonlySet<string>,
  fresh: boolean,
): Transaction[] {
  const lost = table.chains.some(({ base }) => base?.device !== undefined && made.has(base.device));
  return lost && actual ? diffTable(table, actual, { rewrite: true }) : diffTable(table, actual, { fresh });
}

function forgotten(table: Table, actual: ActualTable | undefined) {
  return table.sets
    .filter((set) => set.keep === 'journal')
    .map((set) => {
      const gone = unwanted(set, actual);
      return {
        ways: gone.map((element): JournalledWay => {
          const flow = flowFilterOf(set.name, element);
          return set.counted
            ? { flow, counter: { family: table.family, set: set.name, key: set.key, element } }
            : { flow };
        }),
        commands: deleteElements(keyOf(table), set.name, gone),
      };
    });
}

const unwanted = (set: NftSet, actual: ActualTable | undefined): readonly string[] =>
  differenceOf(set.elements, actual?.sets.get(set.name)?.elements ?? []).gone;
