import { messageOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { Slices } from '../../lib/slices.js';
import type { ResolverPorts } from '../blueprint/resolver.js';
import { RESOLVER_ADDRESS } from '../blueprint/resolver.js';
import { boundPort, serverSocket } from '../kernel/inet.js';
import type { NetNamespace } from '../kernel/namespace.js';
import { close } from '../kernel/syscalls.js';
import type { ApplyProblem, DesiredState, SandboxResolver, Zone } from '../state.js';
import type { Command, Done } from './protocol.js';
import { ResolverThread } from './resolver-thread.js';
import { messagesOf, zoneCommands } from './zone-diff.js';

/** A sandbox's sockets. They are of its namespace, and keep it alive. */
interface Open {
  readonly namespace: number;
  readonly udp: number;
  readonly tcp: number;
  readonly ports: ResolverPorts;
  readonly resolver: SandboxResolver;
}

/**
 * The resolvers of a node: one thread for all, two sockets in each sandbox's namespace. It is told the whole
 * desired state each time, and tells the thread what differs. The sockets belong to this side, so that they
 * can be closed whatever becomes of the thread.
 */
export class Resolvers {
  readonly #log: Logger;
  readonly #nodeResolvConf: string;
  readonly #open = new Map<string, Open>();
  #thread: ResolverThread | undefined;
  /** What the thread has been told. */
  #zones: ReadonlyMap<string, Zone> = new Map();

  /** @param nodeResolvConf file that names the node's own servers */
  constructor(log: Logger, nodeResolvConf: string) {
    this.#log = log;
    this.#nodeResolvConf = nodeResolvConf;
  }

  /** Where resolvers listen, by sandbox. */
  get ports(): ReadonlyMap<string, ResolverPorts> {
    return new Map([...this.#open].map(([id, { ports }]) => [id, ports]));
  }

  /**
   * Resolves when answers are as they shall be, and when those that shall not be hold nothing any more. A sandbox
   * whose namespace is not there yet has to wait for the next call.
   * @param namespaceOf undefined when it is not there
   */
  async apply(
    { sandboxes, zones }: Pick<DesiredState, 'sandboxes' | 'zones'>,
    namespaceOf: (sandbox: string) => NetNamespace | undefined,
    slices: Slices,
  ): Promise<readonly ApplyProblem[]> {
    const wanted = sandboxes.flatMap(({ id, resolver }) => {
      const namespace = resolver && namespaceOf(id);
      return namespace ? [{ id, resolver, namespace }] : [];
    });
    const namespaces = new Map(wanted.map(({ id, namespace }) => [id, namespace.inode]));
    const problems: ApplyProblem[] = [];
    try {
      // A namespace that was made anew under its old name needs new sockets.
      await this.#close([...this.#open].flatMap(([id, open]) => (namespaces.get(id) === open.namespace ? [] : [id])));
      if (wanted.length === 0 && !this.#thread) return problems;
      // All of it is for this one, or for none.
      const thread = this.#running();
      const commands = [...this.#zoneCommands(zones)];
      for (const { id, resolver, namespace } of wanted) {
        const command = this.#sandboxCommand(id, resolver, namespace, problems);
        if (command) commands.push(command);
        await slices.pause();
      }
      const failures: Done['failures'][number][] = [];
      for (const message of messagesOf(commands)) failures.push(...(await thread.do(message)));
      for (const { sandbox, message } of failures) problems.push(problemOf(sandbox, message));
      await this.#close(failures.map(({ sandbox }) => sandbox));
    } catch (error) {
      // What the thread may not have been told of must not look as if it were served.
      await this.close();
      problems.push({ subject: { kind: 'node', id: '' }, message: messageOf(error) });
    }
    return problems;
  }

  /** Ends everything. */
  async close(): Promise<void> {
    await this.#thread?.close();
    this.#forget();
  }

  #zoneCommands(zones: readonly Zone[]): readonly Command[] {
    const wanted = new Map(zones.map((zone) => [zone.id, zone]));
    const commands = zoneCommands(this.#zones, wanted);
    this.#zones = wanted;
    return commands;
  }

  #sandboxCommand(
    sandbox: string,
    resolver: SandboxResolver,
    namespace: NetNamespace,
    problems: ApplyProblem[],
  ): Command | undefined {
    const open = this.#open.get(sandbox);
    if (open) {
      if (JSON.stringify(open.resolver) === JSON.stringify(resolver)) return undefined;
      this.#open.set(sandbox, { ...open, resolver });
      return { kind: 'configure', sandbox, resolver };
    }
    try {
      const made = openSockets(namespace, resolver);
      this.#open.set(sandbox, made);
      const sockets = { udp: made.udp, tcp: made.tcp, namespace: namespace.path };
      return { kind: 'open', sandbox, sockets, resolver };
    } catch (error) {
      problems.push(problemOf(sandbox, messageOf(error)));
      return undefined;
    }
  }

  async #close(sandboxes: readonly string[]): Promise<void> {
    if (sandboxes.length === 0) return;
    await this.#running().do(sandboxes.map((sandbox) => ({ kind: 'close', sandbox })));
    for (const sandbox of sandboxes) {
      const open = this.#open.get(sandbox);
      this.#open.delete(sandbox);
      if (open) closeSockets(open);
    }
  }

  #running(): ResolverThread {
    this.#thread ??= new ResolverThread({ nodeResolvConf: this.#nodeResolvConf }, (reason) => {
      this.#log.error({ err: reason }, `${reason.message}: the next pass starts another`);
      this.#forget();
    });
    return this.#thread;
  }

  #forget(): void {
    for (const open of this.#open.values()) closeSockets(open);
    this.#open.clear();
    this.#thread = undefined;
    this.#zones = new Map();
  }
}

function openSockets(namespace: NetNamespace, resolver: SandboxResolver): Open {
  const udp = serverSocket(namespace, 'udp', RESOLVER_ADDRESS);
  try {
    const tcp = serverSocket(namespace, 'tcp', RESOLVER_ADDRESS);
    return { namespace: namespace.inode, udp, tcp, ports: { udp: boundPort(udp), tcp: boundPort(tcp) }, resolver };
  } catch (error) {
    close(udp);
    throw error;
  }
}

function closeSockets({ udp, tcp }: Open): void {
  close(udp);
  close(tcp);
}

function problemOf(sandbox: string, message: string): ApplyProblem {
  return { subject: { kind: 'sandbox', id: sandbox }, message: `resolver: ${message}` };
}
