import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../lib/log.js';
import {
  ContainerStatus,
  EndpointRecord,
  NetworkRecord,
  Node,
  Task,
  TaskState,
  TaskStatus,
} from '../../proto/gen/index.js';
import { noAssignments } from './assignments.js';
import { TaskDatabase } from './database.js';
import type { LocalTask } from './local-task.js';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'worker-database-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const open = () => TaskDatabase.open(root, silentLogger);

function local(id: string, state: TaskState): LocalTask {
  const container = ContainerStatus.create({ containerId: id, pid: 12, exitCode: 0 });
  return {
    task: Task.create({ id, serviceName: 'web', desiredState: TaskState.RUNNING }),
    status: TaskStatus.create({ state, message: 'started', container }),
    assigned: true,
    networks: [NetworkRecord.create({ id: 'net', vni: 4097 })],
  };
}

describe('TaskDatabase', () => {
  it('knows after a restart what it was told last', async () => {
    const first = await open();
    await first.put(local('a', TaskState.ACCEPTED));
    await first.put(local('a', TaskState.RUNNING));
    await first.put(local('b', TaskState.ACCEPTED));
    await first.delete('b');
    const tasks = await (await open()).tasks();
    const expected = local('a', TaskState.RUNNING);
    expect(tasks).toEqual([{ ...expected, task: { ...expected.task, status: expected.status } }]);
  });

  it('keeps records from other users of the machine', async () => {
    await (await open()).put(local('a', TaskState.RUNNING));
    expect((await stat(join(root, 'tasks'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(root, 'tasks', 'a'))).mode & 0o777).toBe(0o600);
  });

  it('takes no notice of a write that was cut short', async () => {
    await (await open()).put(local('a', TaskState.RUNNING));
    await writeFile(join(root, 'tasks', 'a.tmp'), 'half');
    const [task, ...others] = await (await open()).tasks();
    expect(task?.status.state).toBe(TaskState.RUNNING);
    expect(others).toEqual([]);
    expect(await readdir(join(root, 'tasks'))).toEqual(['a']);
  });

  it('sets a damaged record aside and goes on with the others', async () => {
    await (await open()).put(local('a', TaskState.RUNNING));
    await writeFile(join(root, 'tasks', 'b'), Buffer.from([0xff, 0xff, 0xff]));
    const tasks = await (await open()).tasks();
    expect(tasks.map(({ task }) => task.id)).toEqual(['a']);
    expect(await readdir(join(root, 'tasks', 'unreadable'))).toEqual(['b']);
  });

  it('saves the newest of many assignments', async () => {
    const database = await open();
    const sets = Array.from({ length: 20 }, (_, i) => ({
      ...noAssignments,
      endpoints: new Map([[`n/${i}`, EndpointRecord.create({ id: `n/${i}` })]]),
    }));
    await Promise.all(sets.map((set) => database.saveAssignments(set)));
    expect([...(await (await open()).assignments()).endpoints.keys()]).toEqual(['n/19']);
  });

  it('knows nothing at first, and nothing after it was destroyed', async () => {
    const database = await open();
    expect(await database.assignments()).toEqual(noAssignments);
    expect(await database.node()).toBeUndefined();
    await database.saveNode(Node.create({ id: 'n1' }));
    expect((await database.node())?.id).toBe('n1');
    await database.destroy();
    expect(await (await open()).node()).toBeUndefined();
  });

  it('keeps the newest of the node objects that come while one is being written', async () => {
    const database = await open();
    const named = (id: string) => Node.create({ id });
    await Promise.all(['a', 'b', 'c', 'd'].map((id) => database.saveNode(named(id))));
    expect(await (await open()).node()).toEqual(named('d'));
  });
});
