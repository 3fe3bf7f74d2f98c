/** The desired state's text becomes names, files and rules: what is not well-formed must not get that far. */
import { isIPv4 } from 'node:net';
import { invalidArgument, messageOf } from '../../lib/errors.js';
import { type Cidr, familyOf, isAddress, parseCidr } from '../../lib/ip.js';
import type { Backend, HostPort, PublishedPort, SandboxEndpoint } from '../state.js';
import type { Subject } from './model.js';

/** Of what is IPv4 alone: the underlay. @throws INVALID_ARGUMENT */
export function checkAddress(address: string, what: string): string {
  if (!isIPv4(address)) throw invalidArgument(`${what} "${address}" is not an IPv4 address`, { value: address });
  return address;
}

/** An address of either family. @throws INVALID_ARGUMENT */
export function checkIp(address: string, what: string): string {
  if (!isAddress(address)) throw invalidArgument(`${what} "${address}" is not an IP address`, { value: address });
  return address;
}

/** @throws INVALID_ARGUMENT */
export function checkCidr(cidr: string, what: string, family: 4 | 6 = 4): Cidr {
  const parsed = parseCidr(cidr);
  if (parsed.family !== family)
    throw invalidArgument(`${what} "${cidr}" is not an IPv${family} subnet`, { value: cidr });
  return parsed;
}

/** @throws INVALID_ARGUMENT */
export function checkMac(mac: string): void {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac))
    throw invalidArgument(`"${mac}" is not a MAC address in lower case`, { value: mac });
}

/** An id that names a file. @throws INVALID_ARGUMENT */
export function checkId(id: string): void {
  if (!/^[0-9A-Za-z][0-9A-Za-z_-]*$/.test(id)) throw invalidArgument(`"${id}" cannot name a namespace`, { value: id });
}

export const isPort = (port: number): boolean => Number.isInteger(port) && port >= 1 && port <= 65_535;

/** @throws INVALID_ARGUMENT */
export function checkPort(port: number, what: string): void {
  if (!isPort(port))
    throw invalidArgument(`${what} ${port} is not a port`, { value: String(port), hint: 'Ports are 1 to 65535.' });
}

const LAST_VNI = 2 ** 24 - 1;

export const isVni = (vni: number): boolean => Number.isInteger(vni) && vni >= 1 && vni <= LAST_VNI;

/** @throws INVALID_ARGUMENT */
export function checkVni(vni: number): void {
  if (!isVni(vni)) throw invalidArgument(`VNI ${vni} is not a number from 1 to ${LAST_VNI}`, { value: String(vni) });
}

export function checkEndpoint({ addresses, mac }: Pick<SandboxEndpoint, 'addresses' | 'mac'>): void {
  if (addresses.length === 0) throw invalidArgument('an endpoint has no address');
  for (const address of addresses) checkIp(address, 'endpoint');
  checkMac(mac);
}

/** @param family that the connections have; undefined: either @throws INVALID_ARGUMENT */
export function checkBackends(backends: readonly Backend[], family?: 4 | 6): void {
  for (const { address, weight } of backends) {
    if (familyOf(checkIp(address, 'backend')) !== family && family !== undefined)
      throw invalidArgument(`backend "${address}" is not an IPv${family} address`, { value: address });
    if (!Number.isInteger(weight) || weight < 0 || weight > 256)
      throw invalidArgument(`weight ${weight} of backend ${address} is not a whole number from 0 to 256`, {
        value: String(weight),
      });
  }
}

/** @param checkHost what its address on the node may be @throws INVALID_ARGUMENT */
export function checkPublished(
  { published, target, hostAddress }: PublishedPort | HostPort,
  checkHost: (address: string, what: string) => string,
): void {
  checkPort(published, 'published port');
  checkPort(target, 'target port');
  if (hostAddress !== '') checkHost(hostAddress, 'host address');
}

/** RFC 791 and RFC 8200: the least that a link must carry. */
const LEAST_MTU = { 4: 68, 6: 1280 } as const;

/** @param gateways of the network @throws INVALID_ARGUMENT */
export function checkMtu(mtu: number, gateways: readonly string[]): void {
  const family = gateways.some((gateway) => familyOf(gateway) === 6) ? 6 : 4;
  if (!Number.isInteger(mtu) || mtu < LEAST_MTU[family] || mtu > 65_535)
    throw invalidArgument(`MTU ${mtu} is not one that IPv${family} can use`, {
      value: String(mtu),
      hint: `It is from ${LEAST_MTU[family]} to 65535.`,
    });
}

/** A problem of what was asked for, in words. */
export function problemOf(subject: Subject, error: unknown) {
  return { subject, message: messageOf(error) };
}
