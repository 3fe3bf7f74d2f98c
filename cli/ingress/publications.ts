import { invalidArgument, notFound } from '../../lib/errors.js';
import type { Service } from '../../proto/gen/objects.js';
import { type PortConfig, type Protocol, ProtocolName } from '../../proto/gen/specs.js';

/** A published port with the service that it leads to. */
export interface Publication {
  readonly service: Service;
  readonly port: PortConfig;
}

export const protocolText = (protocol: Protocol): string => ProtocolName[protocol].toLowerCase();

/** `8080/tcp`; on one address only, `192.0.2.1:8080/tcp`. */
export function publishedText({ hostIp, publishedPort, protocol }: PortConfig): string {
  const host = hostIp === '' ? '' : `${hostIp.includes(':') ? `[${hostIp}]` : hostIp}:`;
  return `${host}${publishedPort}/${protocolText(protocol)}`;
}

export const targetText = ({ targetPort, protocol }: PortConfig): string => `${targetPort}/${protocolText(protocol)}`;

/** By port. */
export function publicationsOf(services: readonly Service[]): Publication[] {
  return services
    .flatMap((service) =>
      service.endpoint.ports
        .filter(({ publishedPort }) => publishedPort !== 0)
        .map((port): Publication => ({ service, port })),
    )
    .sort((a, b) => a.port.publishedPort - b.port.publishedPort || a.port.protocol - b.port.protocol);
}

/**
 * Those that are meant by `web`, a service's id, `8080` or `8080/udp`.
 * @throws NOT_FOUND, INVALID_ARGUMENT for a service without a published port
 */
export function choose(publications: readonly Publication[], services: readonly Service[], ref: string): Publication[] {
  const asked = /^(\d+)(?:\/([a-z]+))?$/.exec(ref);
  const chosen = asked
    ? publications.filter(
        ({ port }) =>
          port.publishedPort === Number(asked[1]) &&
          (asked[2] === undefined || protocolText(port.protocol) === asked[2]),
      )
    : [];
  if (chosen.length > 0) return chosen;
  const service = serviceOf(services, ref);
  if (!service) {
    throw notFound(asked ? `no service publishes port ${ref}` : `no such service or published port: ${ref}`, {
      value: ref,
      hint: 'See: tsswarm ingress ls',
    });
  }
  const own = publications.filter((publication) => publication.service.id === service.id);
  if (own.length === 0) throw invalidArgument(`service ${service.spec.name} publishes no port`, { value: ref });
  return own;
}

const serviceOf = (services: readonly Service[], ref: string): Service | undefined =>
  services.find(({ spec }) => spec.name === ref) ??
  services.find(({ id }) => id === ref) ??
  (ref.length >= 4 ? services.find(({ id }) => id.startsWith(ref)) : undefined);
