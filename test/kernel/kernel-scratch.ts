import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listNamespaces, NetNamespace, removeNamespace } from '../../netlb/kernel/namespace.js';
import { RouteSocket } from '../../netlb/kernel/rtnetlink.js';

/** Namespaces of one test, taken away with all they hold by close(). */
export class Scratch {
  readonly directory = mkdtempSync(join(tmpdir(), 'tsswarm-kernel-'));
  readonly #closers: (() => void)[] = [];

  /** A new namespace with its loopback up. */
  namespace(name: string): NetNamespace {
    const namespace = NetNamespace.create(join(this.directory, name));
    this.#closers.push(() => namespace.close());
    const socket = new RouteSocket(namespace);
    socket.raiseLoopback();
    socket.close();
    return namespace;
  }

  routeSocket(namespace: NetNamespace): RouteSocket {
    const socket = new RouteSocket(namespace);
    this.#closers.push(() => socket.close());
    return socket;
  }

  /** Closes something when the test ends. */
  defer(close: () => void): void {
    this.#closers.push(close);
  }

  close(): void {
    for (const close of this.#closers.splice(0).reverse()) close();
    for (const name of listNamespaces(this.directory)) removeNamespace(join(this.directory, name));
    rmSync(this.directory, { recursive: true });
  }
}

/** Output of a command run inside a namespace. */
export function inside(namespace: NetNamespace, command: string, ...args: string[]): string {
  return execFileSync('nsenter', [`--net=${namespace.path}`, command, ...args], { encoding: 'utf8', stdio: 'pipe' });
}

/** Output of `ip -j`, `bridge -j` and the like, which print nothing for an empty list. */
export function json<T = Record<string, unknown>>(namespace: NetNamespace, command: string, ...args: string[]): T[] {
  const text = inside(namespace, command, '-j', ...args).trim();
  return text === '' ? [] : (JSON.parse(text) as T[]);
}

/**
 * By how many open descriptors the process has grown for each call, to the nearest whole one: what the
 * test runner opens and closes meanwhile does not count.
 */
export function descriptorsLeakedBy(call: () => void): number {
  const count = () => readdirSync('/proc/self/fd').length;
  const calls = 30;
  call();
  const before = count();
  for (let i = 0; i < calls; i++) call();
  return Math.round((count() - before) / calls) + 0;
}
