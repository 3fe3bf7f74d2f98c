import { randomBytes } from 'node:crypto';
import { alreadyExists, invalidArgument } from '../../lib/errors.js';
import { makeUpName } from '../../lib/made-up-names.js';

/** A container's or network's id: 64 hexadecimal digits. */
export function newLocalId(): string {
  return randomBytes(32).toString('hex');
}

export const isLocalId = (id: string): boolean => /^[0-9a-f]{64}$/.test(id);

/** How many digits of an id people see. */
export const SHORT_ID = 12;

/** What people see of an id; it names the network namespace. */
export const shortId = (id: string): string => id.slice(0, SHORT_ID);

/** @throws INVALID_ARGUMENT, or ALREADY_EXISTS with who has it */
function checkName(name: string, owner: { readonly id: string } | undefined): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
    throw invalidArgument(`Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`, {
      value: name,
      hint: 'It has two characters or more, and begins with a letter or digit.',
    });
  }
  if (owner) {
    throw alreadyExists(
      `The container name "/${name}" is already in use by container "${owner.id}". You have to remove (or rename) that container to be able to reuse that name.`,
      { value: name },
    );
  }
}

/** Names of containers that are being made: two of one name cannot be made at once. */
export class NewNames {
  readonly #claimed = new Set<string>();

  /**
   * @param asked empty: one is made up
   * @param owner the container that has a name
   * @throws INVALID_ARGUMENT, ALREADY_EXISTS
   */
  claim(asked: string, owner: (name: string) => { readonly id: string } | undefined): string {
    const isTaken = (name: string) => this.#claimed.has(name) || owner(name) !== undefined;
    const name = asked === '' ? makeUpName(isTaken) : asked;
    checkName(name, owner(name));
    if (this.#claimed.has(name)) {
      throw alreadyExists(`The container name "/${name}" is already in use: one is being made`, { value: name });
    }
    this.#claimed.add(name);
    return name;
  }

  /** It is the container's own now, or nobody's. */
  release(name: string): void {
    this.#claimed.delete(name);
  }
}
