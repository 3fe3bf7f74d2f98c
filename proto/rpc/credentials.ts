import { ChannelCredentials, Metadata, ServerCredentials } from '@grpc/grpc-js';

/**
 * The one place that knows how peers prove who they are. Today a node sends its id and the secret
 * that it was given when it joined, over plain HTTP/2; mutual TLS takes its place here.
 */
export interface NodeCredential {
  readonly nodeId: string;
  /** 32 random bytes; managers keep only the sha256. */
  readonly secret: Uint8Array;
  /** 32 bytes that all managers share: one that is far behind knows no digest of a newer one's own secret yet. */
  readonly managerSecret?: Uint8Array;
}

const NODE_ID = 'tsswarm-node-id';
const NODE_SECRET = 'tsswarm-node-secret-bin';
const MANAGER_SECRET = 'tsswarm-manager-secret-bin';

export function channelCredentials(): ChannelCredentials {
  return ChannelCredentials.createInsecure();
}

export function serverCredentials(): ServerCredentials {
  return ServerCredentials.createInsecure();
}

export function credentialMetadata(credential: NodeCredential | undefined): Metadata {
  const metadata = new Metadata();
  if (credential) {
    metadata.set(NODE_ID, credential.nodeId);
    metadata.set(NODE_SECRET, Buffer.from(credential.secret));
    if (credential.managerSecret) metadata.set(MANAGER_SECRET, Buffer.from(credential.managerSecret));
  }
  return metadata;
}

/** What a caller claims to be; undefined when it claims nothing. The claim is checked by managers. */
export function claimedCredential(metadata: Metadata): NodeCredential | undefined {
  const nodeId = metadata.get(NODE_ID)[0];
  const secret = metadata.get(NODE_SECRET)[0];
  if (typeof nodeId !== 'string' || !Buffer.isBuffer(secret)) return undefined;
  const managerSecret = metadata.get(MANAGER_SECRET)[0];
  return Buffer.isBuffer(managerSecret) ? { nodeId, secret, managerSecret } : { nodeId, secret };
}
