import { closeSync, openSync, readSync } from 'node:fs';
import { constants } from 'node:os';
import { errnoOf } from '../../lib/errors.js';
import { KernelError } from './errors.js';
import type { NetNamespace } from './namespace.js';
import { errorWords } from './syscalls.js';
import { sysctlPath } from './sysctl.js';

/** Files that all namespaces together keep open: those of some twenty. */
const MOST_OPEN = 256;
/** A file under /proc/sys gives its value to one read; those of networks are short. */
const value = Buffer.alloc(4096);

let openFiles = 0;

/**
 * Settings of one namespace that are read again and again. A file is of the namespace in which it was opened, so that a
 * second reading takes one system call, and no entering. Close it.
 */
export class SettingFiles {
  readonly #namespace: NetNamespace;
  readonly #files = new Map<string, number>();

  constructor(namespace: NetNamespace) {
    this.#namespace = namespace;
  }

  /**
   * @param key as of `readSysctl`
   * @returns undefined when the kernel does not have it
   * @throws KernelError
   */
  read(key: string): string | undefined {
    const known = this.#files.get(key);
    if (known !== undefined) {
      try {
        return textOf(known);
      } catch (error) {
        // The device whose setting it is has gone. There may be another one of its name.
        if (errnoOf(error) !== 'ENOENT') throw kernelError(key, error);
        this.#forget(key, known);
      }
    }
    try {
      return this.#readAnew(key);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw kernelError(key, error);
    }
  }

  close(): void {
    for (const [key, file] of this.#files) this.#forget(key, file);
  }

  #readAnew(key: string): string {
    const file = this.#namespace.run(() => openSync(sysctlPath(key), 'r'));
    try {
      const text = textOf(file);
      if (openFiles < MOST_OPEN) {
        openFiles++;
        this.#files.set(key, file);
      }
      return text;
    } finally {
      if (this.#files.get(key) !== file) closeSync(file);
    }
  }

  #forget(key: string, file: number): void {
    this.#files.delete(key);
    openFiles--;
    closeSync(file);
  }
}

function textOf(file: number): string {
  return value.toString('utf8', 0, readSync(file, value, 0, value.length, 0)).trim();
}

function kernelError(key: string, error: unknown): unknown {
  const errno = (constants.errno as Record<string, number>)[errnoOf(error) ?? ''];
  return errno === undefined ? error : new KernelError(`read sysctl ${key}`, { errno, words: errorWords(errno) });
}
