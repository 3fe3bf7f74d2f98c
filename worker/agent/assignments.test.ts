import { describe, expect, it } from 'vitest';
import {
  Assignment,
  AssignmentChange,
  AssignmentChangeAction,
  AssignmentsMessage,
  AssignmentsMessageType,
  Config,
  EndpointRecord,
  NetworkKeyRing,
  NetworkRecord,
  Secret,
  Task,
} from '../../proto/gen/index.js';
import { applyMessage, noAssignments, SequenceGap, toSavedMessage } from './assignments.js';

const put = (fields: Partial<Assignment>) => AssignmentChange.create({ assignment: Assignment.create(fields) });
const remove = (fields: Partial<Assignment>) =>
  AssignmentChange.create({ action: AssignmentChangeAction.REMOVE, assignment: Assignment.create(fields) });
const complete = (...changes: AssignmentChange[]) => AssignmentsMessage.create({ resultsIn: 1, changes });
const incremental = (appliesTo: number, ...changes: AssignmentChange[]) =>
  AssignmentsMessage.create({
    type: AssignmentsMessageType.INCREMENTAL,
    appliesTo,
    resultsIn: appliesTo + 1,
    changes,
  });

describe('assignments', () => {
  const first = applyMessage(
    noAssignments,
    undefined,
    complete(
      put({ task: Task.create({ id: 'a' }) }),
      put({ network: NetworkRecord.create({ id: 'n' }) }),
      put({ endpoint: EndpointRecord.create({ id: 'n/a' }) }),
    ),
  );

  it('increments change what they name and nothing else', () => {
    const next = applyMessage(
      first,
      1,
      incremental(1, put({ task: Task.create({ id: 'b' }) }), remove({ task: Task.create({ id: 'a' }) })),
    );
    expect([...next.tasks.keys()]).toEqual(['b']);
    expect(next.endpoints).toBe(first.endpoints);
    expect([...first.tasks.keys()]).toEqual(['a']);
  });

  it('a complete message forgets what is not in it', () => {
    expect(applyMessage(first, 1, complete())).toEqual(noAssignments);
  });

  it.each([undefined, 2])('an increment after %s that follows another is a gap', (sequence) => {
    expect(() => applyMessage(first, sequence, incremental(1))).toThrow(SequenceGap);
  });

  it('keys come, change and go like what is named', () => {
    const ring = (clock: number) => NetworkKeyRing.create({ clock });
    const known = applyMessage(first, 1, incremental(1, put({ networkKeys: ring(1) })));
    expect(applyMessage(known, 2, incremental(2)).networkKeys?.clock).toBe(1);
    expect(applyMessage(known, 2, incremental(2, put({ networkKeys: ring(2) }))).networkKeys?.clock).toBe(2);
    const gone = incremental(2, remove({ networkKeys: NetworkKeyRing.create() }));
    expect(applyMessage(known, 2, gone).networkKeys).toBeUndefined();
  });

  it('what is saved has neither secrets nor keys nor tasks', () => {
    const set = applyMessage(
      first,
      1,
      incremental(
        1,
        put({ secret: Secret.create({ id: 's' }) }),
        put({ networkKeys: NetworkKeyRing.create({ clock: 1 }) }),
        put({ config: Config.create({ id: 'c', spec: { ...Config.create().spec, data: new Uint8Array([1]) } }) }),
      ),
    );
    const bytes = AssignmentsMessage.encode(toSavedMessage(set));
    const loaded = applyMessage(noAssignments, undefined, AssignmentsMessage.decode(bytes));
    expect(loaded.tasks.size + loaded.secrets.size).toBe(0);
    expect(set.networkKeys?.clock).toBe(1);
    expect(loaded.networkKeys).toBeUndefined();
    expect(loaded.networks).toEqual(set.networks);
    expect(loaded.endpoints).toEqual(set.endpoints);
    expect(loaded.configs.get('c')?.spec.data[0]).toBe(1);
  });
});
