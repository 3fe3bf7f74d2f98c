import { type Deferred, deferred, Serial } from '../../../../lib/async.js';
import type { ContainerExit, ContainerState } from '../../executor.js';
import type { MonitoredStreams } from '../runtime/streams.js';
import type { ContainerFolder, ContainerRecord, PreparedRecord } from './folder.js';
import { type ProcessIdentity, sendSignal } from './process.js';

/** What is known of one container; `serial` orders what changes it. */
export class Container {
  readonly id: string;
  readonly folder: ContainerFolder;
  readonly serial = new Serial();
  /** Aborted when it is removed, with why it is not to be had: followers of its log come to their end. */
  readonly gone = new AbortController();
  /** Those who are attached to this run, or wait for the next. */
  readonly streams = new Set<MonitoredStreams>();
  #prepared: PreparedRecord;
  #exited: Deferred<ContainerExit> = deferred();
  #process: ProcessIdentity | undefined;
  #run = 0;
  #startedAt = 0;
  #exit: ContainerExit | undefined;
  /** Looks in a row that found neither the process nor a note of its exit. */
  missing = 0;
  /** Its root filesystem is. */
  mounted = false;
  /** It has exited and gave the kernel's things back: only its folder is left. */
  settled = false;
  #created: ProcessIdentity | undefined;

  /** @param prepared as far as it is known before it is prepared */
  constructor(folder: ContainerFolder, prepared: PreparedRecord) {
    this.id = prepared.id;
    this.folder = folder;
    this.#prepared = prepared;
    // Removed before it ever ran, with nobody waiting.
    this.#exited.promise.catch(() => undefined);
  }

  /** Resolves at the end of this run, or of the next when it does not run yet. */
  get exited(): Promise<ContainerExit> {
    return this.#exited.promise;
  }

  get running(): boolean {
    return this.#startedAt !== 0 && this.#exit === undefined;
  }

  get exit(): ContainerExit | undefined {
    return this.#exit;
  }

  /** How often it was started. */
  get run(): number {
    return this.#run;
  }

  /** The process of its next run, which waits for the start; undefined: it is not created. */
  get created(): ProcessIdentity | undefined {
    return this.#created;
  }

  set created(process: ProcessIdentity | undefined) {
    this.#created = process;
    this.settled = false;
  }

  get process(): ProcessIdentity | undefined {
    return this.#process;
  }

  get prepared(): PreparedRecord {
    return this.#prepared;
  }

  set prepared(prepared: PreparedRecord) {
    this.#prepared = prepared;
  }

  get state(): ContainerState {
    return {
      id: this.id,
      status: this.#exit ? 'exited' : this.running ? 'running' : 'prepared',
      pid: this.running ? (this.#process?.pid ?? 0) : 0,
      startedAt: this.#startedAt,
      exit: this.#exit,
      check: this.#prepared.check,
    };
  }

  get record(): ContainerRecord {
    return {
      ...this.#prepared,
      run: this.#run,
      process: this.#process,
      startedAt: this.#startedAt,
      exit: this.#exit,
    };
  }

  /** @param process undefined when it is not known any more */
  started(run: number, process: ProcessIdentity | undefined, at: number): void {
    if (this.#exit) {
      this.#exited = deferred();
      this.#exited.promise.catch(() => undefined);
    }
    this.#exit = undefined;
    this.#run = run;
    this.#process = process;
    this.#created = undefined;
    this.#startedAt = at;
    this.missing = 0;
    this.settled = false;
  }

  /** Only the first call of a run counts. */
  finished(exit: ContainerExit): void {
    if (this.#exit) return;
    this.#exit = exit;
    this.#exited.resolve(exit);
    this.#leave((streams) => streams.exited({ code: exit.code, error: '' }));
  }

  /** Those who wait for a run that could not be started. */
  failed(code: number, error: string): void {
    this.#leave((streams) => {
      streams.disconnected();
      streams.exited({ code, error });
    });
  }

  /** It is being removed. */
  lost(error: unknown): void {
    this.#exited.reject(error);
    this.#leave((streams) => streams.lost(error));
    this.gone.abort(error);
  }

  /** To the container's first process; nothing happens when it is gone. */
  signal(number: number): void {
    if (this.running && this.#process) sendSignal(this.#process, number);
  }

  #leave(tell: (streams: MonitoredStreams) => void): void {
    for (const streams of this.streams) tell(streams);
    this.streams.clear();
  }
}
