import { generateKeyPairSync } from 'node:crypto';
import { alreadyExists, invalidArgument } from '../lib/errors.js';
import { newId } from '../lib/ids.js';
import { overlaps, parseCidr } from '../lib/ip.js';
import {
  Cluster,
  ClusterSpec,
  ManagerStatus,
  Network,
  NetworkSpec,
  Node,
  NodeAvailability,
  NodeDescription,
  NodeRole,
  NodeSpec,
  NodeState,
  NodeStatus,
  Reachability,
  RootCA,
} from '../proto/gen/index.js';
import { checkDataPathAddress } from './common/addresses.js';
import { CERTIFICATE_EXPIRY, checkClusterSpec } from './control/cluster.js';
import { newToken, rootDigest, sha256 } from './join/tokens.js';
import type { Store } from './store/store.js';

/** What `init` decides. Zero and empty take the default. */
export interface BootstrapOptions {
  readonly nodeId: string;
  /** 32 random bytes by which the first node proves itself. */
  readonly credential: Uint8Array;
  /** Its number in the group of managers; 1 when left out. */
  readonly raftId?: number;
  /** host:port advertised. */
  readonly address: string;
  readonly dataPathAddress: string;
  readonly dataPathPort?: number;
  readonly defaultAddressPools?: readonly string[];
  readonly subnetSize?: number;
  readonly availability?: NodeAvailability;
  readonly description?: NodeDescription;
  readonly spec?: ClusterSpec | undefined;
}

const DEFAULT_POOL = '10.0.0.0/8';
const DEFAULT_DATA_PATH_PORT = 4789;
export const DEFAULT_SNAPSHOT_INTERVAL = 10_000;
export const DEFAULT_SLOW_FOLLOWER_ENTRIES = 500;

/** Fills what an operator left open in a cluster's spec with Swarm's defaults. */
function withDefaults(spec: ClusterSpec = ClusterSpec.create()): ClusterSpec {
  return {
    ...spec,
    name: spec.name || 'default',
    taskHistoryLimit: spec.taskHistoryLimit || 5,
    dispatcherHeartbeat: spec.dispatcherHeartbeat || 5e9,
    raft: {
      snapshotInterval: spec.raft.snapshotInterval || DEFAULT_SNAPSHOT_INTERVAL,
      keepOldSnapshots: spec.raft.keepOldSnapshots ?? 0,
      logEntriesForSlowFollowers: spec.raft.logEntriesForSlowFollowers || DEFAULT_SLOW_FOLLOWER_ENTRIES,
      heartbeatTick: spec.raft.heartbeatTick || 1,
      electionTick: spec.raft.electionTick || 10,
    },
    ca: { ...spec.ca, nodeCertificateExpiry: spec.ca.nodeCertificateExpiry || CERTIFICATE_EXPIRY },
  };
}

/**
 * Writes a new swarm into an empty store, in one transaction: the cluster, this node as its manager,
 * and the ingress network.
 * @throws ALREADY_EXISTS when the store holds a swarm
 * @throws INVALID_ARGUMENT for a spec, pool, subnet size or port that cannot be
 */
export async function bootstrapSwarm(store: Store, options: BootstrapOptions, now: number): Promise<Cluster> {
  const pools = options.defaultAddressPools?.length ? options.defaultAddressPools : [DEFAULT_POOL];
  const subnetSize = options.subnetSize || 24;
  const dataPathPort = options.dataPathPort || DEFAULT_DATA_PATH_PORT;
  const spec = withDefaults(options.spec);
  checkClusterSpec(spec);
  checkPools(pools, subnetSize);
  checkDataPathAddress(options.dataPathAddress);
  if (!Number.isInteger(dataPathPort) || dataPathPort < 1024 || dataPathPort > 49151) {
    throw invalidArgument(`data path port ${dataPathPort} is out of range`, {
      value: String(dataPathPort),
      hint: 'It is a UDP port from 1024 to 49151; 0 stands for 4789.',
    });
  }
  // What identifies the swarm until it signs certificates: the public half of a key of its own.
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = Buffer.from(publicKey.export({ type: 'spki', format: 'pem' }));
  const digest = rootDigest(certificate);
  const cluster = Cluster.create({
    id: newId(),
    spec,
    joinTokens: { worker: newToken(digest), manager: newToken(digest) },
    defaultAddressPools: pools,
    subnetSize,
    dataPathPort,
    rootCa: RootCA.create({
      key: Buffer.from(privateKey.export({ type: 'pkcs8', format: 'pem' })),
      certificate,
      digest,
    }),
  });
  return store.update((draft) => {
    for (const existing of draft.list('cluster')) {
      throw alreadyExists('this node is already part of a swarm', {
        value: existing.id,
        hint: 'Run "tsswarm leave --force" first to give it up.',
      });
    }
    draft.create('node', firstNode(options, now));
    draft.create('network', ingressNetwork());
    return draft.create('cluster', cluster);
  });
}

function firstNode(options: BootstrapOptions, now: number): Node {
  return Node.create({
    id: options.nodeId,
    spec: NodeSpec.create({
      desiredRole: NodeRole.MANAGER,
      availability: options.availability ?? NodeAvailability.ACTIVE,
    }),
    description: options.description ?? NodeDescription.create(),
    status: NodeStatus.create({
      state: NodeState.UNKNOWN,
      message: 'its agent has not reported yet',
      address: options.address.replace(/:\d+$/, ''),
      since: now,
    }),
    role: NodeRole.MANAGER,
    managerStatus: ManagerStatus.create({
      raftId: options.raftId ?? 1,
      address: options.address,
      leader: true,
      reachability: Reachability.REACHABLE,
    }),
    dataPathAddress: options.dataPathAddress,
    credentialDigest: sha256(options.credential),
  });
}

/**
 * Published ports answer over both families; a node without IPv6 addresses does so over IPv4 alone. The subnets are
 * the allocator's to choose, the first and, as the swarm grows, further ones.
 */
function ingressNetwork(): Network {
  const spec = NetworkSpec.create({
    name: 'ingress',
    driver: 'overlay',
    scope: 'swarm',
    ingress: true,
    ipv6: true,
  });
  return Network.create({ id: newId(), spec });
}

function checkPools(pools: readonly string[], subnetSize: number): void {
  const parsed = pools.map((text) => ({ text, cidr: parseCidr(text) }));
  for (const [index, { text, cidr }] of parsed.entries()) {
    if (cidr.family !== 4) throw invalidArgument(`address pool ${text} is not an IPv4 subnet`, { value: text });
    if (subnetSize < cidr.prefix || subnetSize > 29) {
      throw invalidArgument(`subnet size ${subnetSize} does not fit address pool ${text}`, {
        value: String(subnetSize),
        hint: `It is the prefix length of each subnet: from ${cidr.prefix} to 29.`,
      });
    }
    const other = parsed.slice(0, index).find((earlier) => overlaps(earlier.cidr, cidr));
    if (other) throw invalidArgument(`address pools ${other.text} and ${text} overlap`, { value: text });
  }
}
