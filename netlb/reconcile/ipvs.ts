import { failedPrecondition } from '../../lib/errors.js';
import type { IpvsServiceBlueprint } from '../blueprint/model.js';
import {
  deleteIpvsDestination,
  deleteIpvsService,
  Ipvs,
  type IpvsCommand,
  type IpvsDestinationState,
  type IpvsService,
  type IpvsServiceId,
  ipvsServiceName,
  newIpvsDestination,
  newIpvsService,
  setIpvsDestination,
  setIpvsService,
  setIpvsTimeouts,
} from '../kernel/ipvs.js';
import type { NetNamespace } from '../kernel/namespace.js';
import type { ActualIpvs } from '../plan/actual.js';
import type { Operation } from '../plan/operation.js';
import { isGone } from './gone.js';

export type IpvsOperation = Extract<Operation, { readonly kind: `${string}ipvs${string}` }>;

/** Reads and changes IPVS of one namespace. Close it. */
export class IpvsState {
  readonly #namespace: NetNamespace;
  #ipvs: Ipvs | undefined;
  #asked = false;
  /** Services that we have changed since they were read, by name. */
  readonly #touched = new Map<string, IpvsServiceId>();

  constructor(namespace: NetNamespace) {
    this.#namespace = namespace;
  }

  /**
   * @param known what was read before and changed by nobody but ourselves: what we have not changed is as it was
   * @returns undefined when the kernel has no IPVS
   */
  read(known: ActualIpvs | undefined): ActualIpvs | undefined {
    const ipvs = this.#open();
    if (!ipvs) return undefined;
    const services = new Map(known?.services);
    for (const [name, id] of this.#touched) {
      const service = ipvs.service(id);
      if (service) services.set(name, withDestinations(ipvs, service));
      else services.delete(name);
    }
    if (!known)
      for (const service of ipvs.services()) services.set(ipvsServiceName(service.id), withDestinations(ipvs, service));
    this.#touched.clear();
    return { timeouts: ipvs.timeouts(), services };
  }

  /** With what they have counted; nothing when there is no such service. @throws KernelError */
  destinations(id: IpvsServiceId): readonly IpvsDestinationState[] {
    return this.#open()?.destinations(id) ?? [];
  }

  /** @throws KernelError, FAILED_PRECONDITION when the kernel has no IPVS */
  change(operation: IpvsOperation): void {
    const ipvs = this.#open();
    if (!ipvs) throw failedPrecondition('this kernel has no IPVS any more');
    const id = serviceOf(operation);
    if (id) this.#touched.set(ipvsServiceName(id), id);
    ipvs.run(commandsOf(operation), (errno) => isGone(operation, errno));
  }

  /** Asked for once: a kernel without IPVS looks for a module each time. */
  #open(): Ipvs | undefined {
    if (!this.#asked) this.#ipvs = Ipvs.open(this.#namespace);
    this.#asked = true;
    return this.#ipvs;
  }

  close(): void {
    this.#ipvs?.close();
  }
}

/** Without what they count: that changes by itself. */
const withDestinations = (ipvs: Ipvs, service: IpvsService): IpvsServiceBlueprint => ({
  ...service,
  destinations: ipvs
    .destinations(service.id)
    .map(({ address, port, weight, masquerade, limit }) => ({ address, port, weight, masquerade, limit })),
});

function serviceOf(operation: IpvsOperation): IpvsServiceId | undefined {
  if (operation.kind === 'set-ipvs-timeouts') return undefined;
  return 'id' in operation.service ? operation.service.id : operation.service;
}

function commandsOf(operation: IpvsOperation): IpvsCommand[] {
  switch (operation.kind) {
    case 'set-ipvs-timeouts':
      return [setIpvsTimeouts(operation.timeouts)];
    case 'add-ipvs-service': {
      const { id, destinations } = operation.service;
      return [newIpvsService(operation.service), ...destinations.map((one) => newIpvsDestination(id, one))];
    }
    case 'set-ipvs-service':
      return [setIpvsService(operation.service)];
    case 'remove-ipvs-service':
      return [deleteIpvsService(operation.service)];
    case 'add-ipvs-destinations':
      return operation.destinations.map((one) => newIpvsDestination(operation.service, one));
    case 'set-ipvs-destinations':
      return operation.destinations.map((one) => setIpvsDestination(operation.service, one));
    case 'remove-ipvs-destinations':
      return operation.destinations.map((one) => deleteIpvsDestination(operation.service, one));
  }
}
