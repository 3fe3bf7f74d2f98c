import { availableParallelism, hostname as systemHostname, totalmem } from 'node:os';
import { LOG_DRIVERS } from '../lib/log-drivers.js';
import type { BalancerKind } from '../netlb/balancer/balancer.js';
import { EngineDescription, type KernelFeature, NodeDescription, Platform, Resources } from '../proto/gen/index.js';

export interface DescriptionOptions {
  /** Empty: the machine's. */
  readonly hostname: string;
  /** Of tsswarmd. */
  readonly version: string;
  readonly labels: Readonly<Record<string, string>>;
  /** "runc 1.1.5" */
  readonly runtime: string;
  readonly balancer: BalancerKind;
  readonly features: readonly KernelFeature[];
}

/** This machine as managers see it. */
export function describeNode(options: DescriptionOptions): NodeDescription {
  return NodeDescription.create({
    hostname: options.hostname || systemHostname(),
    platform: platform(),
    resources: Resources.create({ nanoCpus: availableParallelism() * 1e9, memoryBytes: totalmem() }),
    engine: EngineDescription.create({
      version: options.version,
      labels: options.labels,
      runtime: options.runtime,
      balancer: options.balancer,
      networkDrivers: ['bridge', 'host', 'null', 'overlay', 'routed'],
      volumeDrivers: ['local'],
      logDrivers: LOG_DRIVERS,
    }),
    features: options.features,
  });
}

/** Node's names of processors where OCI (that is: Go) has others. */
const OCI_ARCHITECTURE: Readonly<Record<string, string>> = {
  x64: 'amd64',
  ia32: '386',
  ppc64: 'ppc64le',
  loong64: 'loong64',
};

export function platform(): Platform {
  return Platform.create({ architecture: OCI_ARCHITECTURE[process.arch] ?? process.arch, os: process.platform });
}
