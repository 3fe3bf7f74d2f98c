/** What the plane and the resolvers' thread say to each other. */
import type { SandboxResolver } from '../state.js';
import type { SandboxSockets } from './sandbox-server.js';
import type { ZoneChange } from './zone-index.js';

/** Given to the thread when it starts. */
export interface ThreadData {
  /** File that names the node's own servers. */
  readonly nodeResolvConf: string;
}

export type Command =
  | {
      readonly kind: 'open';
      readonly sandbox: string;
      readonly sockets: SandboxSockets;
      readonly resolver: SandboxResolver;
    }
  | { readonly kind: 'configure'; readonly sandbox: string; readonly resolver: SandboxResolver }
  /** When it is done, the sockets may be closed and the namespace is not held. */
  | { readonly kind: 'close'; readonly sandbox: string }
  | { readonly kind: 'change-zone'; readonly change: ZoneChange }
  | { readonly kind: 'remove-zone'; readonly id: string };

/** Done together, in order, and answered by one Done. */
export interface Request {
  readonly sequence: number;
  readonly commands: readonly Command[];
}

export interface Done {
  readonly sequence: number;
  /** Sandboxes that could not be opened or configured. */
  readonly failures: readonly { readonly sandbox: string; readonly message: string }[];
}
