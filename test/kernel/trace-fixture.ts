/** Traces through nodes of plane-fixture.ts, each read by a KernelReader in its namespace. */
import { writeFileSync } from 'node:fs';
import { NetNamespace } from '../../netlb/kernel/namespace.js';
import type { Hop, Trace } from '../../netlb/trace/hop.js';
import type { TraceProtocol } from '../../netlb/trace/packet.js';
import type { Query } from '../../netlb/trace/queries.js';
import type { Directory, DirectoryEndpoint, Sender } from '../../netlb/trace/question.js';
import { KernelReader } from '../../netlb/trace/reader.js';
import { traceThrough } from '../../netlb/trace/tracer.js';
import type { Machines } from './plane-fixture.js';
import { addressIn, idOf, nodeAddress, type Swarm } from './plane-swarm.js';

export class Tracing {
  readonly directory: Directory;
  readonly #readers = new Map<string, KernelReader>();
  readonly #namespaces: NetNamespace[] = [];

  constructor(machines: Machines, swarm: Swarm) {
    this.directory = directoryOf(swarm);
    for (const n of swarm.nodes) {
      const node = NetNamespace.open(machines.path(`node${n}`));
      this.#namespaces.push(node);
      this.#readers.set(`node${n}`, new KernelReader({ runRoot: machines.runRoot(`node${n}`), node }));
    }
  }

  reader(node: string): KernelReader {
    const reader = this.#readers.get(node);
    if (!reader) throw new Error(`${node} cannot be reached`);
    return reader;
  }

  /** Takes a node out of reach. */
  withdraw(node: string): KernelReader {
    const reader = this.reader(node);
    this.#readers.delete(node);
    return reader;
  }

  restore(node: string, reader: KernelReader): void {
    this.#readers.set(node, reader);
  }

  ask = async (node: string, queries: readonly Query[]) =>
    Promise.all(queries.map((query) => this.reader(node).answer(query)));

  /** With RECORD=FILE the facts are kept, for tests of what is told from them (netlb/trace/recorded). @param from name of a task, of a node, or an address */
  async run(from: string, address: string, protocol: TraceProtocol = 'tcp', port = 80, prefer = ''): Promise<Trace> {
    return (await this.traced(from, address, protocol, port, prefer)).trace;
  }

  async traced(from: string, address: string, protocol: TraceProtocol, port: number, prefer: string) {
    const question = {
      from: this.#sender(from),
      to: { label: address, name: undefined, address },
      protocol,
      port: protocol === 'icmp' ? undefined : port,
      prefer,
    };
    const { trace, book } = await traceThrough(question, this.directory, (node, queries) =>
      this.ask(node, [...queries]),
    );
    if (process.env.RECORD)
      writeFileSync(process.env.RECORD, JSON.stringify({ question, directory: this.directory, facts: book.record() }));
    if (process.env.TRACE) process.stderr.write(`${textOf(trace)}\n`);
    return { trace, question };
  }

  #sender(from: string): Sender {
    if (/^\d/.test(from)) return { kind: 'outside', address: from, label: from };
    if (from.startsWith('node')) return { kind: 'node', node: from, label: from };
    const endpoint = this.directory.endpoints.find(({ owner }) => owner === from);
    if (!endpoint) throw new Error(`no task ${from}`);
    return { kind: 'sandbox', node: endpoint.node, namespace: endpoint.namespace, label: from };
  }

  close(): void {
    for (const reader of this.#readers.values()) reader.close();
    for (const namespace of this.#namespaces) namespace.close();
  }
}

function directoryOf(swarm: Swarm): Directory {
  const endpoints = swarm.tasks.flatMap((task): DirectoryEndpoint[] =>
    [...(task.ingress === false ? [] : ['ingress']), ...(task.networks ?? [])].map((network) => ({
      address: addressIn(swarm, network, task.host),
      owner: task.name,
      namespace: idOf(task.name),
      node: `node${task.node}`,
      network,
    })),
  );
  return {
    whole: true,
    nodes: swarm.nodes.map((n) => ({ id: `node${n}`, name: `node${n}`, vtep: nodeAddress(n), addresses: [] })),
    endpoints,
    owners: Object.fromEntries(endpoints.map(({ namespace, owner }) => [namespace, owner])),
  };
}

/** The first hop at which it is lost. */
export function lostAt({ hops }: Trace): Hop {
  const hop = hops.find(({ status }) => status === 'broken');
  if (!hop) throw new Error('it is not lost');
  return hop;
}

/** "node1 a1 route" */
export const summary = ({ node, namespace, owner, kind }: Hop): string =>
  `${node || '-'} ${owner || namespace || '-'} ${kind}`;

/** Line by line, for people. */
export const textOf = ({ hops, verdict }: Trace): string => [...hops.map(lineOf), verdict].join('\n');

const lineOf = ({ leg, node, namespace, owner, kind, title, status, reason }: Hop): string =>
  [leg, node, owner || namespace || '-', kind, status, title, reason].filter(Boolean).join(' | ');
