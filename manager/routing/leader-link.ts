import { Channel } from '../../proto/rpc/client.js';
import type { NodeCredential } from '../../proto/rpc/credentials.js';
import { Relay } from './relay.js';

/** The way to one leader. */
export class LeaderLink {
  /** host:port */
  readonly address: string;
  readonly channel: Channel;
  #relay: Relay | undefined;

  constructor(address: string, credential: NodeCredential) {
    this.address = address;
    this.channel = new Channel(address, credential);
  }

  /** For unary calls of which there may be many. */
  get relay(): Relay {
    if (!this.#relay?.open) this.#relay = new Relay(this.channel, this.address);
    return this.#relay;
  }

  close(): void {
    this.#relay?.close();
    this.channel.close();
  }
}
