/** Does operations: the only place of the plane that changes the kernel. */
import { unlinkSync } from 'node:fs';
import { messageOf } from '../../lib/errors.js';
import type { Slices } from '../../lib/slices.js';
import { deleteFlows } from '../kernel/conntrack.js';
import { isKernelError } from '../kernel/errors.js';
import { removeNamespace } from '../kernel/namespace.js';
import { deleteAddress, deleteRoute, newAddress, newNeighbour, newRoute, newRule } from '../kernel/rtnetlink.js';
import { readSysctl, writeSysctl } from '../kernel/sysctl.js';
import { ROUTE_PROTOCOL } from '../names.js';
import type { JournalledWay, Operation } from '../plan/operation.js';
import type { ApplyProblem } from '../state.js';
import type { NamespaceHandle, NamespaceHandles } from './handles.js';
import { changeLink, createBridge, createInterface, createVxlan, indexOf, removeLinks } from './links.js';
import type { Memory } from './memory.js';
import { changeRemotes } from './remotes.js';
import type { TableReader } from './tables.js';

export interface Execution {
  readonly problems: readonly ApplyProblem[];
  readonly done: readonly Operation[];
}

/**
 * Does operations in their order. When one fails, those of the same sandbox, overlay or ingress are left
 * for the next time, for they would only fail for want of it; all others go on.
 */
export async function execute(
  operations: readonly Operation[],
  handles: NamespaceHandles,
  memory: Memory,
  slices: Slices,
): Promise<Execution> {
  const problems: ApplyProblem[] = [];
  const failed = new Set<string>();
  const done: Operation[] = [];
  for (const operation of operations) {
    const { subject } = operation;
    const key = `${subject.kind} ${subject.id}`;
    if (failed.has(key)) continue;
    const settle = memory.begin(operation);
    try {
      await perform(operation, handles, slices);
      settle();
      done.push(operation);
    } catch (error) {
      problems.push({ subject, message: messageOf(error) });
      // One node's association is no other's.
      if (subject.kind !== 'node' && subject.kind !== 'encryption') failed.add(key);
    }
    await slices.pause();
  }
  return { problems, done };
}

async function perform(operation: Operation, handles: NamespaceHandles, slices: Slices): Promise<void> {
  const { namespace: name } = operation;
  switch (operation.kind) {
    case 'create-namespace':
      handles.create(name).tables.startEmpty();
      return;
    case 'name-namespace':
      handles.get(name).namespace.mount();
      return;
    case 'remove-namespace':
      if (operation.vxlan !== undefined) removeLinks(handles.get(name).route, [operation.vxlan]);
      handles.close(name);
      removeNamespace(handles.path(name));
      return;
    case 'remove-stale-file':
      unlinkSync(handles.path(name));
      return;
    case 'set-sysctl':
      ignoring(operation.optional ? ['ENOENT'] : [], () =>
        writeSysctl(handles.get(name).namespace, operation.key, operation.value),
      );
      return;
    case 'raise-loopback':
      handles.get(name).route.raiseLoopback();
      return;
    case 'remove-links':
      removeLinks(handles.get(name).route, operation.names);
      return;
    case 'create-bridge':
      createBridge(handles.get(name).route, operation.bridge);
      return;
    case 'create-vxlan':
      await createVxlan(handles, name, operation.vxlan, slices);
      return;
    case 'create-interface':
      createInterface(handles, name, operation.interface);
      return;
    case 'change-link':
      changeLink(handles.get(name).route, operation.name, operation.change);
      return;
    case 'add-remotes':
    case 'remove-remotes':
      await changeRemotes(handles.get(name).route, operation, slices);
      return;
    case 'add-associations':
    case 'remove-associations':
    case 'set-policies':
    case 'remove-policies':
      handles.get(name).encryption.change(operation);
      return;
    case 'run-nft': {
      const { tables, nft } = handles.get(name);
      tables.change(() => nft.run(operation.commands.join('\n')), operation.leaves);
      return;
    }
    case 'set-ipvs-timeouts':
    case 'add-ipvs-service':
    case 'set-ipvs-service':
    case 'remove-ipvs-service':
    case 'add-ipvs-destinations':
    case 'set-ipvs-destinations':
    case 'remove-ipvs-destinations':
      handles.get(name).ipvs.change(operation);
      return;
    case 'forget-flows':
      await forgetFlows(handles.get(name), operation, slices);
      return;
    default:
      performAddressing(operation, handles);
  }
}

/** To ask so many counters takes no longer than one walk through all tracked connections. */
const MAX_QUESTIONS = 200;

/**
 * Cuts connections, then takes them out of their journal: all that go in one pass at once. To find the tracked
 * connections of a namespace takes the kernel a walk through the table of all namespaces: not when there are none, nor
 * for ways that nobody has taken.
 */
async function forgetFlows(
  { namespace, nft, tables }: NamespaceHandle,
  { flows, ways, journal, leaves }: Extract<Operation, { kind: 'forget-flows' }>,
  slices: Slices,
): Promise<void> {
  if (readSysctl(namespace, 'net.netfilter.nf_conntrack_count') !== '0') {
    const taken = ways.length > MAX_QUESTIONS ? ways : ways.filter(({ counter }) => wasTaken(tables, counter));
    deleteFlows(namespace, ...flows, ...taken.map(({ flow }) => flow));
  }
  for (const commands of journal) {
    await slices.pause();
    tables.change(() => nft.run(commands.join('\n')), commands === journal.at(-1) ? leaves : new Map());
  }
}

function wasTaken(tables: TableReader, counter: JournalledWay['counter']): boolean {
  if (counter === undefined) return true;
  const count = tables.counter(counter.family, counter.set, counter.key, counter.element);
  return count === undefined || count.packets > 0;
}

type Addressing = Extract<
  Operation,
  { kind: 'add-address' | 'remove-address' | 'set-route' | 'remove-route' | 'add-rule' | 'set-neighbour' }
>;

function performAddressing(operation: Addressing, handles: NamespaceHandles): void {
  const { route: socket } = handles.get(operation.namespace);
  switch (operation.kind) {
    case 'add-address':
      socket.apply(newAddress({ index: indexOf(socket, operation.link), cidr: operation.cidr, replace: true }));
      return;
    case 'remove-address':
      ignoring(['EADDRNOTAVAIL'], () =>
        socket.apply(deleteAddress({ index: indexOf(socket, operation.link), cidr: operation.cidr })),
      );
      return;
    case 'set-route': {
      const { interface: name, subject: _, ...route } = operation.route;
      socket.apply(newRoute({ ...route, index: indexOf(socket, name), replace: true }));
      return;
    }
    case 'remove-route':
      // It may have gone with its link.
      ignoring(['ESRCH'], () =>
        socket.apply(
          deleteRoute({ destination: operation.destination, index: operation.index, protocol: ROUTE_PROTOCOL }),
        ),
      );
      return;
    case 'add-rule':
      ignoring(['EEXIST'], () => socket.apply(newRule(operation.rule)));
      return;
    case 'set-neighbour': {
      const { interface: name, ...neighbour } = operation.neighbour;
      socket.apply(newNeighbour({ index: indexOf(socket, name), ...neighbour }));
    }
  }
}

function ignoring(codes: readonly string[], change: () => void): void {
  try {
    change();
  } catch (error) {
    if (!isKernelError(error, ...codes)) throw error;
  }
}
