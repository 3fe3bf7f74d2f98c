import { SwarmError } from '../../../lib/errors.js';
import type { ContainerSpec, NetworkSpec, ServiceSpec } from '../../../proto/gen/index.js';

/**
 * What specs can say and this version does not do. What a service is not itself without is refused;
 * what it runs without, only otherwise than its author may think, is told in a warning. Nothing is
 * left out in silence. A feature that is added takes its line away here.
 */

const unsupported = (what: string, value: string) =>
  new SwarmError('UNIMPLEMENTED', `${what} by this version`, { value });

/** @throws UNIMPLEMENTED that names the first such thing */
export function checkServiceIsSupported(spec: ServiceSpec): void {
  checkContainerIsSupported(spec.task.container);
  for (const { driverOptions } of spec.task.networks) {
    const [option] = Object.keys(driverOptions);
    if (option !== undefined) throw unsupported('options of an attachment to a network are not supported', option);
  }
}

function checkContainerIsSupported(container: ContainerSpec): void {
  const { isolation, privileges } = container;
  if (isolation !== '' && isolation !== 'default')
    throw unsupported(`isolation "${isolation}" is not supported`, isolation);
  for (const [name, profile] of [
    ['seccomp', privileges?.seccomp ?? ''],
    ['AppArmor', privileges?.apparmor ?? ''],
  ] as const) {
    if (profile !== '') throw unsupported(`${name} profiles of one's own are not supported`, profile);
  }
}

/** What is asked for and passed over. */
export function ignoredParts(spec: ServiceSpec): string[] {
  const { resources } = spec.task;
  return [
    ...((resources.memorySwappiness ?? -1) >= 0
      ? ['memory swappiness is set only on nodes that have cgroups of version 1']
      : []),
  ];
}

/** @throws UNIMPLEMENTED */
export function checkNetworkIsSupported(spec: NetworkSpec): void {
  if (spec.configFrom !== '')
    throw unsupported('networks made from a configuration are not supported', spec.configFrom);
  const [ipamOption] = Object.keys(spec.ipamOptions);
  if (ipamOption !== undefined) throw unsupported('options of address management are not supported', ipamOption);
}
