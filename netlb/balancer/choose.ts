import { existsSync } from 'node:fs';
import { failedPrecondition } from '../../lib/errors.js';
import { SCHEDULERS, type Scheduler } from '../../lib/schedulers.js';
import { isKernelError } from '../kernel/errors.js';
import { Ipvs, ipvsSettings, newIpvsService } from '../kernel/ipvs.js';
import { inThrowAwayNamespace, type NetNamespace } from '../kernel/namespace.js';
import type { Balancer, BalancerKind } from './balancer.js';
import { ipvsBalancer } from './ipvs.js';
import { nftBalancer } from './nft.js';

export type BalancerChoice = 'auto' | BalancerKind;

/**
 * What balances published ports here; `auto` is IPVS where the kernel has it, for it knows more ways of spreading.
 * @throws FAILED_PRECONDITION for `ipvs` on a kernel without it
 */
export function chooseBalancer(choice: BalancerChoice): Balancer {
  if (choice === 'nft') return nftBalancer;
  const { schedulers, lack } = inThrowAwayNamespace((namespace) => probeIpvs(namespace));
  if (lack === undefined) return ipvsBalancer(schedulers);
  if (choice === 'auto') return nftBalancer;
  throw failedPrecondition(`--balancer ipvs: ${lack}`, {
    value: choice,
    hint:
      'Run "modprobe ip_vs ip_vs_rr ip_vs_wrr"; if there is no such module, use a kernel built with CONFIG_IP_VS ' +
      'and CONFIG_IP_VS_IPV6, or --balancer auto.',
  });
}

export interface IpvsFindings {
  /** Those that the kernel's IPVS has, or can load; none without IPVS. */
  readonly schedulers: ReadonlySet<Scheduler>;
  /** Why published ports cannot be balanced by it; undefined when they can. */
  readonly lack: string | undefined;
}

/**
 * What the kernel's IPVS can do.
 * @param namespace throw-away: services are made in it
 * @param ipv6 whether published ports may be balanced over IPv6 too: services of one family that the kernel refuses
 * would leave those of the other unmade
 */
export function probeIpvs(namespace: NetNamespace, ipv6 = existsSync('/proc/net/if_inet6')): IpvsFindings {
  const ipvs = Ipvs.open(namespace);
  if (!ipvs) return { schedulers: new Set(), lack: 'this kernel has no IPVS (generic netlink family)' };
  try {
    const schedulers = new Set(SCHEDULERS.filter((scheduler, i) => hasScheduler(ipvs, scheduler, i + 1)));
    return { schedulers, lack: lackOf(ipvs, schedulers, ipv6) };
  } finally {
    ipvs.close();
  }
}

function lackOf(ipvs: Ipvs, schedulers: ReadonlySet<Scheduler>, ipv6: boolean): string | undefined {
  // Every port that asks for nothing else is balanced in turn, by weight when weights differ.
  if (!schedulers.has('rr') || !schedulers.has('wrr')) return 'this kernel has no IPVS with the schedulers rr and wrr';
  if (!ipv6) return undefined;
  try {
    ipvs.run([newIpvsService({ id: { family: 6, mark: 1 }, settings: ipvsSettings('rr', 0) })]);
    return undefined;
  } catch (error) {
    if (isKernelError(error)) return `this kernel has no IPVS for IPv6: ${error.message}`;
    throw error;
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
