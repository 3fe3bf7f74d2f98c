import { ENCRYPTED_OPTION } from '../../lib/encrypted-option.js';
import { failedPrecondition, invalidArgument, type SwarmError } from '../../lib/errors.js';
import type { Network, NetworkSpec } from '../../proto/gen/index.js';

export const MTU_OPTION = 'com.docker.network.driver.mtu';
export const VNI_OPTION = 'com.docker.network.driver.overlay.vxlanid_list';
const KNOWN: readonly string[] = [MTU_OPTION, VNI_OPTION, ENCRYPTED_OPTION];
const ENCRYPTED_VALUES: readonly string[] = ['', 'true', 'false'];

export const LAST_VNI = 2 ** 24 - 1;
/** What every link must carry: RFC 791, 3.2 and RFC 8200, 5. */
const LEAST_MTU = { ipv4: 68, ipv6: 1280 };
const MOST_MTU = 65_535;

/** @throws INVALID_ARGUMENT for an option or value that does not exist */
export function checkOverlayOptions({ driverOptions, ipv6 }: NetworkSpec): void {
  for (const [option, value] of Object.entries(driverOptions)) {
    if (!KNOWN.includes(option)) {
      throw invalidArgument(`"${option}" is not an option of overlay networks`, {
        value: option,
        hint: `There are ${KNOWN.slice(0, -1).join(', ')} and ${KNOWN.at(-1)}.`,
      });
    }
    if (option === MTU_OPTION) checkMtuOption(value, ipv6);
    else if (option === VNI_OPTION) parseVni(value);
    else if (!ENCRYPTED_VALUES.includes(value)) {
      throw invalidArgument(`"${value}" does not say whether the network is encrypted`, {
        value,
        hint: `Give "${ENCRYPTED_OPTION}" without a value, or with true or false.`,
      });
    }
  }
}

/** @throws INVALID_ARGUMENT */
export function checkMtuOption(value: string, ipv6: boolean): void {
  const least = ipv6 ? LEAST_MTU.ipv6 : LEAST_MTU.ipv4;
  const mtu = Number(value);
  if (/^\d+$/.test(value) && mtu >= least && mtu <= MOST_MTU) return;
  throw invalidArgument(`"${value}" is not an MTU${ipv6 ? ' for IPv6' : ''}`, {
    value,
    hint: `It is a number of bytes from ${least} to ${MOST_MTU}.`,
  });
}

function parseVni(value: string): number {
  const several = value.split(',').length;
  if (several > 1) {
    throw invalidArgument(`"${value}" names ${several} VXLAN network identifiers: a network has one`, { value });
  }
  const vni = Number(value);
  if (/^\d+$/.test(value) && vni >= 1 && vni <= LAST_VNI) return vni;
  throw invalidArgument(`"${value}" is not a VXLAN network identifier`, {
    value,
    hint: `${VNI_OPTION} is a number from 1 to ${LAST_VNI}.`,
  });
}

/** The VNI that is asked for; undefined when that is left open. @throws INVALID_ARGUMENT */
export function askedVni({ driverOptions }: NetworkSpec): number | undefined {
  const value = driverOptions[VNI_OPTION];
  return value === undefined ? undefined : parseVni(value);
}

/** @throws FAILED_PRECONDITION that names the network which has, or has asked for, the same VNI */
export function checkVniIsFree(spec: NetworkSpec, others: Iterable<Network>): void {
  const vni = askedVni(spec);
  if (vni === undefined) return;
  for (const other of others)
    if (vni === other.vni || vni === askedVni(other.spec)) throw vniTaken(vni, other.spec.name);
}

export function vniTaken(vni: number, name: string): SwarmError {
  return failedPrecondition(`VNI ${vni} is used by network "${name}"`, { value: String(vni) });
}
