import { failedPrecondition, resourceExhausted } from '../../lib/errors.js';
import type { PortConfig, Protocol } from '../../proto/gen/index.js';
import { protocolText, publishedText } from '../../proto/ports.js';
import { mayClash } from '../common/published-ports.js';

export const FIRST_DYNAMIC_PORT = 30000;
const LAST_DYNAMIC_PORT = 32767;

/** Ports that the whole swarm answers on: each (protocol, port) is one service's, or on each address one's. */
export class PortTable {
  /** By protocol and port. */
  readonly #claims = new Map<string, Claim[]>();
  /** Keys of what each service has. */
  readonly #held = new Map<string, Set<string>>();
  readonly #avoided = new Map<string, string>();

  /** False when another service has it, or has it on an address in question. */
  claim(serviceId: string, port: PortConfig): boolean {
    if (this.owner(serviceId, port) !== undefined) return false;
    const key = keyOf(port.protocol, port.publishedPort);
    const claims = this.#claims.get(key) ?? [];
    if (claims.some((claim) => claim.serviceId === serviceId && claim.port.hostIp === port.hostIp)) return true;
    this.#claims.set(key, [...claims, { serviceId, port }]);
    const held = this.#held.get(serviceId);
    if (held) held.add(key);
    else this.#held.set(serviceId, new Set([key]));
    return true;
  }

  /** The service that keeps this one from having it. */
  owner(serviceId: string, port: PortConfig): string | undefined {
    const claims = this.#claims.get(keyOf(port.protocol, port.publishedPort)) ?? [];
    return claims.find((claim) => claim.serviceId !== serviceId && mayClash(claim.port, port))?.serviceId;
  }

  /**
   * A port of the machines themselves, such as a manager's: nobody is given it who leaves the choice open.
   * @param reason what the port is for; has one port at a time. @param port 0 when it has none any more
   */
  avoid(reason: string, protocol: Protocol, port: number): void {
    if (port === 0) this.#avoided.delete(reason);
    else this.#avoided.set(reason, keyOf(protocol, port));
  }

  /** The lowest port of the dynamic range that is free on all addresses, claimed. @throws RESOURCE_EXHAUSTED */
  assign(serviceId: string, port: PortConfig): number {
    const avoided = new Set(this.#avoided.values());
    for (let publishedPort = FIRST_DYNAMIC_PORT; publishedPort <= LAST_DYNAMIC_PORT; publishedPort++) {
      const key = keyOf(port.protocol, publishedPort);
      if (this.#claims.has(key) || avoided.has(key)) continue;
      this.claim(serviceId, { ...port, publishedPort });
      return publishedPort;
    }
    throw resourceExhausted(
      `no free ${protocolText(port.protocol)} port from ${FIRST_DYNAMIC_PORT} to ${LAST_DYNAMIC_PORT} for target port ${port.targetPort}`,
    );
  }

  /** Frees all that the service has but `keep`. @returns true when something was freed */
  release(serviceId: string, keep: readonly PortConfig[] = []): boolean {
    const isKept = ({ port }: Claim): boolean =>
      keep.some((kept) => keyOf(kept.protocol, kept.publishedPort) === keyOfClaim(port) && kept.hostIp === port.hostIp);
    let freed = false;
    for (const key of this.#held.get(serviceId) ?? []) {
      const before = this.#claims.get(key) ?? [];
      const after = before.filter((claim) => claim.serviceId !== serviceId || isKept(claim));
      if (after.length === before.length) continue;
      freed = true;
      if (after.length > 0) this.#claims.set(key, after);
      else this.#claims.delete(key);
      if (!after.some((claim) => claim.serviceId === serviceId)) this.#held.get(serviceId)?.delete(key);
    }
    if (this.#held.get(serviceId)?.size === 0) this.#held.delete(serviceId);
    return freed;
  }
}

interface Claim {
  readonly serviceId: string;
  readonly port: PortConfig;
}

export function portTaken(port: PortConfig, owner: string): Error {
  const text = publishedText(port);
  return failedPrecondition(`port ${text} is already published by service "${owner}"`, { value: text });
}

function keyOf(protocol: Protocol, port: number): string {
  return `${protocol}/${port}`;
}

const keyOfClaim = ({ protocol, publishedPort }: PortConfig): string => keyOf(protocol, publishedPort);
