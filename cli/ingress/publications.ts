import { codeOf, invalidArgument, notFound } from '../../lib/errors.js';
import { type Service, type Task, TaskState } from '../../proto/gen/objects.js';
import type { PortConfig } from '../../proto/gen/specs.js';
import { includesPort, protocolText, publishedText } from '../../proto/ports.js';

/** A published port with the service that it leads to. */
export interface Publication {
  readonly service: Service;
  readonly port: PortConfig;
}

/** By port; those that are left open come last. */
export function publicationsOf(services: readonly Service[]): Publication[] {
  const place = ({ port }: Publication) => port.publishedPort || Number.POSITIVE_INFINITY;
  const order = (a: number, b: number) => (a === b ? 0 : a - b);
  return services
    .flatMap((service) => service.endpoint.ports.map((port): Publication => ({ service, port })))
    .sort((a, b) => order(place(a), place(b)) || a.port.protocol - b.port.protocol);
}

/**
 * Those that are meant by what `ingress ls` shows as published, by `8080` or `8080/udp`, by `web` or a service's id.
 * @param findService as managers resolve it
 * @throws NOT_FOUND, INVALID_ARGUMENT for a service without a published port, and what managers refuse
 */
export async function choose(
  publications: readonly Publication[],
  ref: string,
  findService: (ref: string) => Promise<Service>,
): Promise<Publication[]> {
  const shown = publications.filter(({ port }) => publishedText(port) === ref);
  if (shown.length > 0) return shown;
  const asked = /^(\d+)(?:\/([a-z]+))?$/.exec(ref);
  const chosen = asked
    ? publications.filter(
        ({ port }) =>
          includesPort(port, Number(asked[1])) && (asked[2] === undefined || protocolText(port.protocol) === asked[2]),
      )
    : [];
  if (chosen.length > 0) return chosen;
  const service = await findService(ref).catch((error: unknown) => {
    if (codeOf(error) !== 'NOT_FOUND') throw error;
    throw notFound(asked ? `no service publishes port ${ref}` : `no such service or published port: ${ref}`, {
      value: ref,
      hint: 'See: tsswarm ingress ls',
    });
  });
  const own = publications.filter((publication) => publication.service.id === service.id);
  if (own.length === 0) throw invalidArgument(`service ${service.spec.name} publishes no port`, { value: ref });
  return own;
}

/** Tasks that have the port, or one of its range, on their own nodes. */
export function directTasks({ service, port }: Publication, tasks: readonly Task[]): number {
  const isMeant = (own: PortConfig): boolean =>
    own.protocol === port.protocol &&
    own.targetPort === port.targetPort &&
    own.hostIp === port.hostIp &&
    (port.publishedPort === 0 || includesPort(port, own.publishedPort));
  return tasks.filter(
    ({ serviceId, status }) =>
      serviceId === service.id && status.state === TaskState.RUNNING && status.portStatus.ports.some(isMeant),
  ).length;
}
