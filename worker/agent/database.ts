import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDiskFull } from '../../lib/disk-errors.js';
import { errnoOf, messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import { Assignment, AssignmentChange, AssignmentsMessage, Node } from '../../proto/gen/index.js';
import { type Assignments, applyMessage, noAssignments, toSavedMessage } from './assignments.js';
import { DurableFolder } from './durable-folder.js';
import type { LocalTask } from './local-task.js';
import { NewestWriter } from './newest-writer.js';

const ASSIGNMENTS = 'assignments';
const NODE = 'node';

/**
 * What a node must still know after it was killed, in two folders:
 *
 *   tasks/<task id>  the task with its status as observed here, and its networks' records
 *   state/           the last assignments that the data plane is made from; the node's own object
 *
 * A task's file is there before its container and goes after it.
 */
export class TaskDatabase {
  readonly #root: string;
  readonly #tasks: DurableFolder;
  readonly #state: DurableFolder;
  readonly #log: Logger;
  readonly #assignments = new NewestWriter<Assignments>((assignments) =>
    this.#state.write(ASSIGNMENTS, AssignmentsMessage.encode(toSavedMessage(assignments))),
  );
  readonly #node = new NewestWriter<Node>((node) => this.#state.write(NODE, Node.encode(node)));

  private constructor(root: string, tasks: DurableFolder, state: DurableFolder, log: Logger) {
    this.#root = root;
    this.#tasks = tasks;
    this.#state = state;
    this.#log = log;
  }

  static async open(root: string, log: Logger): Promise<TaskDatabase> {
    const tasks = await DurableFolder.open(join(root, 'tasks'));
    const state = await DurableFolder.open(join(root, 'state'));
    return new TaskDatabase(root, tasks, state, log);
  }

  /** All tasks on record. A file that cannot be read is set aside: its task then counts as lost. */
  async tasks(): Promise<readonly LocalTask[]> {
    const names = await this.#tasks.names();
    const records = await Promise.all(names.map((name) => this.#read(this.#tasks, name, decodeTask)));
    return records.filter((record) => record !== undefined);
  }

  async put(local: LocalTask): Promise<void> {
    await this.#tasks.write(local.task.id, encodeTask(local));
  }

  /**
   * The same for a task that is to stop, or has ended: that needs no room on the disk, of which it may be the remedy. A full
   * one keeps what was there before; after a crash managers say again that it is to stop, and its end shows again.
   */
  async putIfRoom(local: LocalTask): Promise<void> {
    try {
      await this.put(local);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#log.warn(
        { task: local.task.id, err: error },
        'it stops or has ended, which is not on record: the disk is full',
      );
    }
  }

  async delete(taskId: string): Promise<void> {
    await this.#tasks.remove(taskId);
  }

  async assignments(): Promise<Assignments> {
    const decode = (bytes: Uint8Array) => applyMessage(noAssignments, undefined, AssignmentsMessage.decode(bytes));
    return (await this.#read(this.#state, ASSIGNMENTS, decode)) ?? noAssignments;
  }

  /** Sets that come while one is being written are skipped but for the newest. */
  saveAssignments(assignments: Assignments): Promise<void> {
    return this.#assignments.put(assignments);
  }

  async node(): Promise<Node | undefined> {
    return this.#read(this.#state, NODE, Node.decode);
  }

  /** As assignments are saved. */
  saveNode(node: Node): Promise<void> {
    return this.#node.put(node);
  }

  /** Deletes all of it. The database is not to be used afterwards. */
  async destroy(): Promise<void> {
    // Whether they succeed is for those who wait for them.
    await Promise.allSettled([this.#assignments.idle(), this.#node.idle()]);
    await rm(this.#root, { recursive: true, force: true });
  }

  /** Undefined for a file that is not there, and for one that cannot be read: that is set aside. */
  async #read<T>(folder: DurableFolder, name: string, decode: (bytes: Uint8Array) => T): Promise<T | undefined> {
    try {
      return decode(await folder.read(name));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      const file = await folder.setAside(name);
      this.#log.error({ file, err: error }, `${name} cannot be read and has been set aside: ${messageOf(error)}`);
      return undefined;
    }
  }
}

/** A record is a message of assignments: the task, in which `status` is the node's own, and its networks. */
function encodeTask({ task, status, networks }: LocalTask): Uint8Array {
  const items = [
    Assignment.create({ task: { ...task, status } }),
    ...networks.map((network) => Assignment.create({ network })),
  ];
  return AssignmentsMessage.encode(
    AssignmentsMessage.create({ changes: items.map((assignment) => AssignmentChange.create({ assignment })) }),
  );
}

/** @throws when the bytes are no such record */
export function decodeTask(bytes: Uint8Array): LocalTask {
  const { tasks, networks } = applyMessage(noAssignments, undefined, AssignmentsMessage.decode(bytes));
  const [task] = tasks.values();
  if (!task) throw new RangeError('the record has no task');
  return { task, status: task.status, assigned: true, networks: [...networks.values()] };
}
