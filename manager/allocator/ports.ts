import { failedPrecondition, resourceExhausted } from '../../lib/errors.js';
import { type PortConfig, type Protocol, ProtocolName } from '../../proto/gen/index.js';

export const FIRST_DYNAMIC_PORT = 30000;
export const LAST_DYNAMIC_PORT = 32767;

/** Ports that the whole swarm answers on: each (protocol, port) is one service's. */
export class PortTable {
  readonly #owners = new Map<string, string>();
  readonly #held = new Map<string, Set<string>>();
  readonly #avoided = new Map<string, string>();

  /** False when another service has it. */
  claim(serviceId: string, port: PortConfig): boolean {
    const key = keyOf(port.protocol, port.publishedPort);
    const owner = this.#owners.get(key);
    if (owner !== undefined) return owner === serviceId;
    this.#owners.set(key, serviceId);
    const held = this.#held.get(serviceId);
    if (held) held.add(key);
    else this.#held.set(serviceId, new Set([key]));
    return true;
  }

  owner(port: PortConfig): string | undefined {
    return this.#owners.get(keyOf(port.protocol, port.publishedPort));
  }

  /**
   * A port of the machines themselves, such as a manager's: nobody is given it who leaves the choice open.
   * @param reason what the port is for; has one port at a time. @param port 0 when it has none any more
   */
  avoid(reason: string, protocol: Protocol, port: number): void {
    if (port === 0) this.#avoided.delete(reason);
    else this.#avoided.set(reason, keyOf(protocol, port));
  }

  /** The lowest free port of the dynamic range, claimed. @throws RESOURCE_EXHAUSTED */
  assign(serviceId: string, port: PortConfig): number {
    const avoided = new Set(this.#avoided.values());
    for (let publishedPort = FIRST_DYNAMIC_PORT; publishedPort <= LAST_DYNAMIC_PORT; publishedPort++) {
      const key = keyOf(port.protocol, publishedPort);
      if (this.#owners.has(key) || avoided.has(key)) continue;
      this.claim(serviceId, { ...port, publishedPort });
      return publishedPort;
    }
    throw resourceExhausted(
      `no free ${protocolText(port.protocol)} port from ${FIRST_DYNAMIC_PORT} to ${LAST_DYNAMIC_PORT} for target port ${port.targetPort}`,
    );
  }

  /** Frees all that the service has but `keep`. @returns true when something was freed */
  release(serviceId: string, keep: readonly PortConfig[] = []): boolean {
    const kept = new Set(keep.map((port) => keyOf(port.protocol, port.publishedPort)));
    const held = this.#held.get(serviceId);
    let freed = false;
    for (const key of held ?? []) {
      if (kept.has(key)) continue;
      this.#owners.delete(key);
      held?.delete(key);
      freed = true;
    }
    if (held?.size === 0) this.#held.delete(serviceId);
    return freed;
  }
}

export function portTaken(port: PortConfig, owner: string): Error {
  const text = `${port.publishedPort}/${protocolText(port.protocol)}`;
  return failedPrecondition(`port ${text} is already published by service "${owner}"`, { value: text });
}

export function protocolText(protocol: Protocol): string {
  return ProtocolName[protocol].toLowerCase();
}

function keyOf(protocol: Protocol, port: number): string {
  return `${protocol}/${port}`;
}
