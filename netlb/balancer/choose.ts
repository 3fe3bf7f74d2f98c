import { failedPrecondition } from '../../lib/errors.js';
import { isKernelError } from '../kernel/errors.js';
import { Ipvs, ipvsSettings, newIpvsService } from '../kernel/ipvs.js';
import { NetNamespace } from '../kernel/namespace.js';
import type { Scheduler } from '../state.js';
import type { Balancer, BalancerKind } from './balancer.js';
import { ipvsBalancer } from './ipvs.js';
import { nftBalancer } from './nft.js';
import { SCHEDULERS } from './schedulers.js';

export type BalancerChoice = 'auto' | BalancerKind;

/**
 * What balances published ports here; `auto` is IPVS where the kernel has it, for it knows more ways of spreading.
 * @throws FAILED_PRECONDITION for `ipvs` on a kernel without it
 */
export function chooseBalancer(choice: BalancerChoice): Balancer {
  if (choice === 'nft') return nftBalancer;
  const schedulers = probe();
  // Every port that asks for nothing else is balanced in turn, by weight when weights differ.
  const isUseful = schedulers.has('rr') && schedulers.has('wrr');
  if (isUseful) return ipvsBalancer(schedulers);
  if (choice === 'auto') return nftBalancer;
  throw failedPrecondition('--balancer ipvs: this kernel has no IPVS with the schedulers rr and wrr', {
    value: choice,
    hint:
      'Run "modprobe ip_vs ip_vs_rr ip_vs_wrr"; if there is no such module, use a kernel built with CONFIG_IP_VS, ' +
      'or --balancer auto.',
  });
}

function probe(): ReadonlySet<Scheduler> {
  const namespace = NetNamespace.createUnnamed();
  try {
    return ipvsSchedulers(namespace);
  } finally {
    namespace.close();
  }
}

/**
 * Those that the kernel's IPVS has, or can load; none without IPVS.
 * @param namespace throw-away: services are made in it
 */
export function ipvsSchedulers(namespace: NetNamespace): ReadonlySet<Scheduler> {
  const ipvs = Ipvs.open(namespace);
  if (!ipvs) return new Set();
  try {
    return new Set(SCHEDULERS.filter((scheduler, i) => hasScheduler(ipvs, scheduler, i + 1)));
  } finally {
    ipvs.close();
  }
}

function hasScheduler(ipvs: Ipvs, scheduler: Scheduler, mark: number): boolean {
  try {
    ipvs.run([newIpvsService({ id: { family: 4, mark }, settings: ipvsSettings(scheduler, 0) })]);
    return true;
  } catch (error) {
    if (isKernelError(error, 'ENOENT')) return false;
    throw error;
  }
}
