import { expect, test } from 'vitest';
import { seeded } from '../../lib/seeded-random.js';
import {
  Assignment,
  type AssignmentChange,
  AssignmentChangeAction,
  AssignmentsMessage,
  AssignmentsMessageType,
  EndpointRecord,
  NetworkRecord,
  Task,
} from '../../proto/gen/index.js';
import { Item } from './item.js';
import { encodeAssignments, type SharedChange, update } from './shared-change.js';

test('what is encoded from parts is read as what it was made of', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e9);
  console.info(`seed ${seed}`);
  const random = seeded(seed);
  const word = (length: number) => 'x'.repeat(random(length));
  const shared = Array.from({ length: 20 }, (_, i) =>
    // Around the lengths at which a length takes one byte more.
    update(Assignment.create({ endpoint: EndpointRecord.create({ id: `net/${i}`, hostname: word(300), slot: i }) })),
  );
  const own = (): AssignmentChange => ({
    action: AssignmentChangeAction.UPDATE,
    assignment: Assignment.create({ task: Task.create({ id: `task${random(9)}`, serviceName: word(20_000) }) }),
  });
  const kinds = [
    () => shared[random(shared.length)] as SharedChange,
    () => new Item('network', word(200)).removal,
    () => update(Assignment.create({ network: NetworkRecord.create({ id: word(200), vni: random(2 ** 20) }) })),
    own,
  ];
  for (let round = 0; round < 200; round++) {
    const message: AssignmentsMessage = {
      type: random(2) as AssignmentsMessageType,
      appliesTo: random(3),
      resultsIn: random(2 ** 30),
      changes: Array.from({ length: random(12) }, () => (kinds[random(kinds.length)] as () => AssignmentChange)()),
      changeIds: Array.from({ length: random(3) }, () => word(12)),
    };
    const changes = message.changes.map(({ action, assignment }) => ({ action, assignment }));
    expect(AssignmentsMessage.decode(encodeAssignments(message))).toEqual({ ...message, changes });
  }
});

test('a change is encoded once, whatever many are told of it', () => {
  let reads = 0;
  const record = EndpointRecord.create({ id: 'net/task' });
  const counted = new Proxy(record, {
    get: (target, key) => {
      if (key === 'hostname') reads++;
      return Reflect.get(target, key);
    },
  });
  const change = update(Assignment.create({ endpoint: counted }));
  const message = { type: AssignmentsMessageType.INCREMENTAL, appliesTo: 1, resultsIn: 2, changeIds: [] };
  encodeAssignments({ ...message, changes: [change] });
  const once = reads;
  for (let i = 0; i < 100; i++) encodeAssignments({ ...message, resultsIn: i, changes: [change] });
  expect(once).toBeGreaterThan(0);
  expect(reads).toBe(once);
});

test('of what is gone only the id is told', () => {
  const { action, assignment } = new Item('service', 'web').removal;
  expect(action).toBe(AssignmentChangeAction.REMOVE);
  expect(assignment).toMatchObject({ service: { id: 'web', name: '' }, task: undefined });
});
