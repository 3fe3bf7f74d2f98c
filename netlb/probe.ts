import { messageOf } from '../lib/errors.js';
import { type Feature, features, type ProbeGround } from './features.js';
import { NetNamespace } from './kernel/namespace.js';

/** Whether this machine can do one thing that tsswarm uses. */
export interface FeatureReport {
  /** "vxlan", "nftables nat" … */
  readonly name: string;
  readonly available: boolean;
  /** What came of the try, in the kernel's own words where there are some. */
  readonly detail: string;
  /** What works because of it, or does not without it. */
  readonly meaning: string;
  /** What to install or set; empty when it is available. */
  readonly remedy: string;
  /** Without it a node cannot do its work. */
  readonly required: boolean;
}

function attempt(feature: Feature, ground: ProbeGround): FeatureReport {
  const { name, meaning, remedy, required } = feature;
  try {
    return { name, available: true, detail: feature.attempt(ground), meaning, remedy: '', required };
  } catch (error) {
    return { name, available: false, detail: messageOf(error), meaning, remedy, required };
  }
}

const rootReport = (available: boolean, detail: string): FeatureReport => ({
  name: 'root',
  available,
  detail,
  meaning: 'The daemon makes network namespaces, links, mounts and firewall rules.',
  remedy: available ? '' : 'Start the daemon as root of the machine (sudo), or give the container --privileged.',
  required: true,
});

/**
 * Tries every kernel feature that tsswarm uses, in network namespaces without names (they go with the
 * process at the latest) and a directory below the system's temporary one. Nothing is changed on the
 * machine and nothing stays. Synchronous; takes some tens of milliseconds.
 */
export function probeFeatures(): FeatureReport[] {
  const namespaces: NetNamespace[] = [];
  try {
    const fresh = (): NetNamespace => {
      const namespace = NetNamespace.createUnnamed();
      namespaces.push(namespace);
      return namespace;
    };
    const ground: ProbeGround = { namespace: fresh(), other: fresh(), home: NetNamespace.self() };
    const user = `made a network namespace as user ${process.geteuid?.() ?? 0}`;
    return [rootReport(true, user), ...features.map((feature) => attempt(feature, ground))];
  } catch (error) {
    const untried = features.map(({ name, meaning, remedy, required }) => ({
      name,
      available: false,
      detail: 'not tried: it takes root',
      meaning,
      remedy,
      required,
    }));
    return [rootReport(false, messageOf(error)), ...untried];
  } finally {
    for (const namespace of namespaces) namespace.close();
  }
}
