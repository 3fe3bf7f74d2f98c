import type { Meta, NetworkAttachment, Node, NodeProblem } from '../../proto/gen/objects.js';
import type { HealthConfig, PortConfig } from '../../proto/gen/specs.js';
import { modeText, protocolText } from '../../proto/ports.js';
import { rfc3339 } from './human.js';

/** A time that is not known, or has not come yet: Go's zero. */
export const NEVER = '0001-01-01T00:00:00Z';

/**
 * The docker-*.ts files map our objects to the shapes of Docker's API. A field that Docker leaves
 * out when it is empty is there as undefined: JSON has no trace of it, and a template can tell it
 * from a misspelt one.
 */
export function nonEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}

export function nonZero(value: number): number | undefined {
  return value === 0 ? undefined : value;
}

export function nonBlank(text: string): string | undefined {
  return text === '' ? undefined : text;
}

export function orUndefined(value: boolean): true | undefined {
  return value ? true : undefined;
}

/** The object, or undefined when it has no field that is set. */
export function nonVoid<T extends object>(object: T): T | undefined {
  return Object.values(object).some((value) => value !== undefined) ? object : undefined;
}

export function dockerMeta(meta: Meta) {
  return {
    Version: { Index: meta.version },
    CreatedAt: rfc3339(meta.createdAt),
    UpdatedAt: rfc3339(meta.updatedAt),
  };
}

/** What a node cannot do, and what managers could not give it. */
export const problemsOf = ({ problems, unallocated }: Node): NodeProblem[] => [...problems, ...unallocated];

/** `ON_FAILURE` → `on-failure`. */
export function dashed(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

export function dockerPort(port: PortConfig) {
  return {
    Name: nonBlank(port.name),
    Protocol: protocolText(port.protocol),
    TargetPort: port.targetPort,
    PublishedPort: nonZero(port.publishedPort),
    PublishedPortLast: nonZero(port.publishedLast),
    PublishMode: modeText(port),
    HostIP: nonBlank(port.hostIp),
    Scheduler: nonBlank(port.scheduler),
    AffinityTimeout: nonZero(port.affinityTimeout),
  };
}

export function dockerAttachment(attachment: NetworkAttachment) {
  return {
    Network: { ID: attachment.networkId, Spec: { Name: attachment.networkName } },
    Addresses: attachment.addresses,
    Aliases: nonEmpty(attachment.aliases),
    MacAddress: nonBlank(attachment.mac),
  };
}

export function dockerHealthcheck(health: HealthConfig) {
  return {
    Test: nonEmpty(health.test),
    Interval: nonZero(health.interval),
    Timeout: nonZero(health.timeout),
    StartPeriod: nonZero(health.startPeriod),
    StartInterval: nonZero(health.startInterval),
    Retries: nonZero(health.retries),
  };
}
