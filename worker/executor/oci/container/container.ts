import { type Deferred, deferred, Serial } from '../../../../lib/async.js';
import type { ContainerExit, ContainerState } from '../../executor.js';
import type { ContainerFolder, ContainerRecord } from './folder.js';
import { type ProcessIdentity, sendSignal } from './process.js';

/** What is known of one container; `serial` orders what changes it. */
export class Container {
  readonly id: string;
  readonly folder: ContainerFolder;
  readonly serial = new Serial();
  readonly exited: Deferred<ContainerExit> = deferred();
  /** Aborted when it is removed: followers of its log come to their end. */
  readonly gone = new AbortController();
  readonly #settings: Pick<ContainerRecord, 'name' | 'tty' | 'openStdin'>;
  #process: ProcessIdentity | undefined;
  #startedAt = 0;
  #exit: ContainerExit | undefined;
  /** Of its image, as checked; empty when it has none. */
  stopSignal: string;
  /** Looks in a row that found neither the process nor a note of its exit. */
  missing = 0;
  /** It has exited and gave the kernel's things back: only its folder is left. */
  settled = false;

  constructor(
    folder: ContainerFolder,
    record: Pick<ContainerRecord, 'id' | 'name' | 'tty' | 'openStdin' | 'stopSignal'>,
  ) {
    const { id, name, tty, openStdin } = record;
    this.id = id;
    this.folder = folder;
    this.stopSignal = record.stopSignal ?? '';
    this.#settings = { name, tty, openStdin };
    // Removed before it ever ran, with nobody waiting.
    this.exited.promise.catch(() => undefined);
  }

  get running(): boolean {
    return this.#startedAt !== 0 && this.#exit === undefined;
  }

  get exit(): ContainerExit | undefined {
    return this.#exit;
  }

  get process(): ProcessIdentity | undefined {
    return this.#process;
  }

  get state(): ContainerState {
    return {
      id: this.id,
      status: this.#exit ? 'exited' : this.running ? 'running' : 'prepared',
      pid: this.running ? (this.#process?.pid ?? 0) : 0,
      startedAt: this.#startedAt,
      exit: this.#exit,
    };
  }

  get record(): ContainerRecord {
    return {
      id: this.id,
      ...this.#settings,
      stopSignal: this.stopSignal,
      process: this.#process,
      startedAt: this.#startedAt,
      exit: this.#exit,
    };
  }

  started(process: ProcessIdentity | undefined, at: number): void {
    this.#process = process;
    this.#startedAt = at;
  }

  /** Only the first call counts. */
  finished(exit: ContainerExit): void {
    if (this.#exit) return;
    this.#exit = exit;
    this.exited.resolve(exit);
  }

  /** To the container's first process; nothing happens when it is gone. */
  signal(number: number): void {
    if (this.running && this.#process) sendSignal(this.#process, number);
  }
}
