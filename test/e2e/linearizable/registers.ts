import { until } from '../../../demo/steps.js';
import { messageOf, SwarmError } from '../../../lib/errors.js';
import {
  ContainerSpec,
  ControlService,
  CreateServiceRequest,
  type Service,
  ServiceSpec,
  TaskSpec,
  UpdateServiceRequest,
} from '../../../proto/gen/index.js';
import { Channel, type Stubs } from '../../../proto/rpc/client.js';
import { connectionBroke } from '../../../proto/rpc/errors.js';
import type { Value } from '../../linearizability/register.js';

/** A register as it was read: what a compare-and-swap compares with. */
export type Seen = Pick<Service, 'id' | 'meta' | 'spec' | 'endpoint'>;

/** Milliseconds that a new register is waited for. */
const CREATION = 10_000;
const LABEL = 'value';

export const contentOf = ({ spec }: Seen): Value => spec.labels[LABEL] ?? null;

/** Makes registers: services without replicas, so that nobody but the clients changes them once they are allocated. */
export async function createRegisters(socket: string, names: readonly string[]): Promise<readonly Seen[]> {
  const task = TaskSpec.create({ container: ContainerSpec.create({ image: 'none:latest' }) });
  const client = new RegisterClient([socket]);
  try {
    const specs = names.map((name) => ServiceSpec.create({ name, task, replicated: { replicas: 0 } }));
    return await Promise.all(specs.map((spec) => client.create(spec)));
  } finally {
    client.close();
  }
}

/** One client with a connection to each manager. A register's value is a label of its service. */
export class RegisterClient {
  readonly #channels: readonly Channel[];
  readonly #managers: readonly Stubs<typeof ControlService>[];

  constructor(sockets: readonly string[]) {
    this.#channels = sockets.map((socket) => new Channel(socket));
    this.#managers = this.#channels.map((channel) => channel.stubs(ControlService));
  }

  async create(spec: ServiceSpec): Promise<Seen> {
    const request = CreateServiceRequest.create({ spec });
    const { service } = await this.#manager(0).createService(request, { timeout: CREATION });
    return until(`${spec.name} is allocated`, CREATION / 1_000, async () => {
      const found = await this.read(0, service.id, CREATION);
      return found.endpoint.allocated ? found : undefined;
    });
  }

  async read(manager: number, id: string, timeout: number): Promise<Seen> {
    return (await this.#manager(manager).getService({ ref: id }, { timeout })).service;
  }

  /** Writes if the register is still as it was seen: the service's version is compared. */
  async cas(manager: number, { id, meta, spec }: Seen, to: string, timeout: number): Promise<Seen> {
    const labels = { ...spec.labels, [LABEL]: to };
    const request = UpdateServiceRequest.create({ id, version: meta.version, spec: { ...spec, labels } });
    return (await this.#manager(manager).updateService(request, { timeout })).service;
  }

  close(): void {
    for (const channel of this.#channels) channel.close();
  }

  #manager(index: number): Stubs<typeof ControlService> {
    const manager = this.#managers[index];
    if (!manager) throw new RangeError(`there is no manager ${index}`);
    return manager;
  }
}

/** What a call that failed did: nothing, since the version was another one; nothing at all; or nobody knows. */
export type Fate = 'refused' | 'undone' | 'unknown';

/** @throws what no fault explains */
export function fateOf(error: unknown): Fate {
  const code = error instanceof SwarmError ? error.code : undefined;
  if (code === 'ABORTED') return 'refused';
  if (code === 'DEADLINE_EXCEEDED' || code === 'UNKNOWN' || connectionBroke(error)) return 'unknown';
  if (code === 'UNAVAILABLE') return 'undone';
  throw new Error(`a manager answered what no fault explains: ${messageOf(error)}`, { cause: error });
}
