import { type FSWatcher, watch } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { Clock } from '../../../../lib/clock.js';
import { errnoOf } from '../../../../lib/errors.js';

/** How often all that run are looked at anew, in case a notice was lost or a monitor was killed. */
const SCAN_MS = 1000;

export interface NotedExit {
  readonly code: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** The exit that conmon noted in `file`; undefined when it has not. */
export async function readExit(file: string): Promise<NotedExit | undefined> {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
    return /^\d+$/.test(text.trim()) ? { code: Number(text), at: Math.floor(mtimeMs) } : undefined;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Says when to look whether containers have exited: when something appears in conmon's exit folder,
 * and on a timer. It is level-triggered: the callbacks look at files and processes themselves.
 */
export class ExitWatch {
  readonly #watcher: FSWatcher;
  #cancel: () => void = () => undefined;

  constructor(folder: string, clock: Clock, look: (id: string) => void, lookAtAll: () => void) {
    this.#watcher = watch(folder, (_, name) => {
      if (name === null) lookAtAll();
      else look(name);
    });
    // The folder was deleted under us: the timer goes on.
    this.#watcher.on('error', lookAtAll);
    const tick = () => {
      this.#cancel = clock.after(SCAN_MS, tick);
      lookAtAll();
    };
    this.#cancel = clock.after(SCAN_MS, tick);
  }

  close(): void {
    this.#watcher.close();
    this.#cancel();
  }
}
