/** A transaction: commands of nft(8) as the netlink messages that libnftables would make of them. Pure. */
import type { NetlinkRequest } from '../../kernel/messages.js';
import { takeCommand } from './commands.js';
import type { SetTypes, Surroundings } from './rule.js';
import type { TableReference } from './sets.js';
import { NftSyntaxError, Words } from './syntax.js';

/** A message, and the command that it is of. */
export interface CompiledRequest {
  readonly request: NetlinkRequest;
  /** Which line of the text, from 0. */
  readonly line: number;
}

/** Finds a set that is there before the transaction. Undefined when there is none. */
export type FindSet = (table: TableReference, name: string) => SetTypes | undefined;

/**
 * @param text one command a line, in the words that rules of ours are made of
 * @throws NftSyntaxError that names the line, for other words and for sets that are not there
 */
export function compile(text: string, findSet: FindSet): CompiledRequest[] {
  const surroundings = new Transaction(findSet);
  return text.split('\n').flatMap((command, line) => {
    if (command.trim() === '') return [];
    try {
      return takeCommand(new Words(command), surroundings).map((request) => ({ request, line }));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new NftSyntaxError(`${error.message} in line ${line + 1}: ${command.trim()}`, { cause: error });
    }
  });
}

class Transaction implements Surroundings {
  readonly #findSet: FindSet;
  /** By family, table and name. */
  readonly #known = new Map<string, SetTypes>();
  #lastId = 0;

  constructor(findSet: FindSet) {
    this.#findSet = findSet;
  }

  nextId(): number {
    return ++this.#lastId;
  }

  declare(table: TableReference, name: string, types: SetTypes): void {
    this.#known.set(keyOf(table, name), types);
  }

  setOf(table: TableReference, name: string): SetTypes {
    const known = this.#known.get(keyOf(table, name));
    if (known) return known;
    const types = this.#findSet(table, name);
    if (types === undefined) throw new NftSyntaxError(`there is no set ${name} in table ${table.family} ${table.name}`);
    this.declare(table, name, types);
    return types;
  }
}

const keyOf = ({ family, name: table }: TableReference, name: string): string => `${family} ${table} ${name}`;
