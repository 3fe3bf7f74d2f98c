import {
  type Assignment,
  type AssignmentChange,
  AssignmentChangeAction,
  AssignmentsMessage,
  DispatcherService,
} from '../../proto/gen/index.js';
import type { MessageType } from '../../proto/runtime.js';

/** A change that is told to many nodes: encoded when the first of them is told, for all. */
export class SharedChange implements AssignmentChange {
  readonly action: AssignmentChangeAction;
  readonly assignment: Assignment;
  #field: Uint8Array | undefined;

  constructor(action: AssignmentChangeAction, assignment: Assignment) {
    this.action = action;
    this.assignment = assignment;
  }

  /** It as one of a message's `changes`: with the field's tag and its length. */
  get field(): Uint8Array {
    this.#field ??= encodedField(this);
    return this.#field;
  }
}

/** A message is encoded from its fields, which may follow each other in any order: those of changes are copied as they are. */
export function encodeAssignments(message: AssignmentsMessage): Uint8Array {
  const { changes } = message;
  const rest = AssignmentsMessage.encode({ ...message, changes: [] });
  return Buffer.concat([rest, ...changes.map((c) => (c instanceof SharedChange ? c.field : encodedField(c)))]);
}

/** A message that consists of this field alone, since fields that hold their default are left out. */
function encodedField(change: AssignmentChange): Uint8Array {
  return AssignmentsMessage.encode(AssignmentsMessage.create({ changes: [change] }));
}

const fromParts: MessageType<AssignmentsMessage> = { ...AssignmentsMessage, encode: encodeAssignments };

/** The service as a manager serves it: the same on the wire. */
export const SharingDispatcherService: typeof DispatcherService = {
  ...DispatcherService,
  assignments: { ...DispatcherService.assignments, response: fromParts },
};

/** That the node is to have this. */
export const update = (assignment: Assignment): SharedChange =>
  new SharedChange(AssignmentChangeAction.UPDATE, assignment);
