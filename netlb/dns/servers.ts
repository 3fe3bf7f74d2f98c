/** Which servers are asked for names of elsewhere, and in which order. */
import { readFileSync, statSync } from 'node:fs';
import { errnoOf } from '../../lib/errors.js';
import { isAddress } from '../../lib/ip.js';

/** As resolv.conf(5): more are not asked. */
export const MAX_SERVERS = 3;
/** Milliseconds for which a server that did not answer is asked last. */
export const DISTRUST = 30_000;

/** Servers that did not answer lately come after the others. Time is given in milliseconds. */
export class ServerOrder {
  readonly #failed = new Map<string, number>();

  order(servers: readonly string[], now: number): readonly string[] {
    const chosen = servers.slice(0, MAX_SERVERS);
    const trusted = (server: string) => now - (this.#failed.get(server) ?? Number.NEGATIVE_INFINITY) >= DISTRUST;
    return [...chosen.filter(trusted), ...chosen.filter((server) => !trusted(server))];
  }

  failed(server: string, now: number): void {
    this.#failed.set(server, now);
  }

  answered(server: string): void {
    this.#failed.delete(server);
  }
}

/** Servers of a resolv.conf(5). Those of one link only (`fe80::1%eth0`) cannot be told from its text and are left out. */
export function parseNameservers(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => /^\s*nameserver\s+([^\s#;]+)/.exec(line)?.[1] ?? '')
    .filter(isAddress);
}

/** Milliseconds after which a change of resolv.conf is seen. */
const LOOK_AGAIN = 1000;

/** The node's own servers. The file may be replaced, a link, or not there: it is looked at, not watched. */
export class NodeServers {
  readonly #path: string;
  #servers: readonly string[] = [];
  #version = '';
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(path: string) {
    this.#path = path;
  }

  /** A file that cannot be read names no servers: names of elsewhere are not answered then, those of here are. */
  list(now: number): readonly string[] {
    if (now - this.#lookedAt < LOOK_AGAIN) return this.#servers;
    this.#lookedAt = now;
    try {
      const { ino, mtimeMs, size } = statSync(this.#path);
      const version = `${ino}/${mtimeMs}/${size}`;
      if (version !== this.#version) this.#servers = parseNameservers(readFileSync(this.#path, 'utf8'));
      this.#version = version;
    } catch (error) {
      if (errnoOf(error) === undefined) throw error;
      this.#servers = [];
      this.#version = '';
    }
    return this.#servers;
  }
}
