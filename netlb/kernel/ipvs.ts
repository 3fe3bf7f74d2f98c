/** IPVS services by firewall mark and their destinations, over generic netlink (linux/ip_vs.h). */
import { bracketed } from '../../lib/ip.js';
import {
  Attributes,
  addressBytes,
  addressText,
  attribute,
  nested,
  text,
  u16,
  u16be,
  u32,
  u32be,
} from './attributes.js';
import { isKernelError } from './errors.js';
import { familyNumber } from './families.js';
import { GENLMSGHDR, genericFamily } from './genetlink.js';
import { type NetlinkMessage, type NetlinkRequest, NLM_F_DUMP, request } from './messages.js';
import type { NetNamespace } from './namespace.js';
import { kernelError, NETLINK_GENERIC, NetlinkSocket } from './netlink.js';

const IPVS_GENL_NAME = 'IPVS';
const IPVS_GENL_VERSION = 1;

const IPVS_CMD_NEW_SERVICE = 1;
const IPVS_CMD_SET_SERVICE = 2;
const IPVS_CMD_DEL_SERVICE = 3;
const IPVS_CMD_GET_SERVICE = 4;
const IPVS_CMD_NEW_DEST = 5;
const IPVS_CMD_SET_DEST = 6;
const IPVS_CMD_DEL_DEST = 7;
const IPVS_CMD_GET_DEST = 8;
const IPVS_CMD_SET_CONFIG = 12;
const IPVS_CMD_GET_CONFIG = 13;

const IPVS_CMD_ATTR_SERVICE = 1;
const IPVS_CMD_ATTR_DEST = 2;
const IPVS_CMD_ATTR_TIMEOUT_TCP = 4;
const IPVS_CMD_ATTR_TIMEOUT_TCP_FIN = 5;
const IPVS_CMD_ATTR_TIMEOUT_UDP = 6;

const IPVS_SVC_ATTR_AF = 1;
const IPVS_SVC_ATTR_PROTOCOL = 2;
const IPVS_SVC_ATTR_ADDR = 3;
const IPVS_SVC_ATTR_PORT = 4;
const IPVS_SVC_ATTR_FWMARK = 5;
const IPVS_SVC_ATTR_SCHED_NAME = 6;
const IPVS_SVC_ATTR_FLAGS = 7;
const IPVS_SVC_ATTR_TIMEOUT = 8;
const IPVS_SVC_ATTR_NETMASK = 9;

const IPVS_DEST_ATTR_ADDR = 1;
const IPVS_DEST_ATTR_PORT = 2;
const IPVS_DEST_ATTR_FWD_METHOD = 3;
const IPVS_DEST_ATTR_WEIGHT = 4;
const IPVS_DEST_ATTR_U_THRESH = 5;
const IPVS_DEST_ATTR_L_THRESH = 6;
const IPVS_DEST_ATTR_ACTIVE_CONNS = 7;
const IPVS_DEST_ATTR_STATS64 = 12;

const IPVS_STATS_ATTR_CONNS = 1;
const IPVS_STATS_ATTR_INPKTS = 2;
const IPVS_STATS_ATTR_OUTPKTS = 3;
const IPVS_STATS_ATTR_INBYTES = 4;
const IPVS_STATS_ATTR_OUTBYTES = 5;

const IP_VS_SVC_F_PERSISTENT = 0x1;
const IP_VS_SVC_F_HASHED = 0x2;
/** Of `sh` and `mh`: another destination when the one of the hash takes no connections. */
const IP_VS_SVC_F_SCHED_FALLBACK = 0x8;
const IP_VS_CONN_F_FWD_MASK = 0x7;
const IP_VS_CONN_F_MASQ = 0x0;

const ALL_BITS = 0xffff_ffff;

/** What names a service: its mark, or, of one that is not ours, a protocol, an address and a port. */
export type IpvsServiceId =
  | { readonly family: 4 | 6; readonly mark: number }
  | {
      readonly family: 4 | 6;
      readonly mark: 0;
      readonly protocol: number;
      readonly address: string;
      readonly port: number;
    };

export interface IpvsSettings {
  /** rr, wrr, lc, wlc, sh, mh … */
  readonly scheduler: string;
  /** Seconds for which a client address keeps its destination; 0: not at all. */
  readonly persistence: number;
  /** Bits of ip_vs_flags beside the persistent one. */
  readonly flags: number;
}

export interface IpvsDestination {
  readonly address: string;
  /** 0: as it was. */
  readonly port: number;
  /** 0: keeps its connections, gets no new ones. */
  readonly weight: number;
  readonly masquerade: boolean;
  /** Connections at which it gets no more; 0: none. */
  readonly limit: number;
}

export interface IpvsService {
  readonly id: IpvsServiceId;
  readonly settings: IpvsSettings;
}

export interface IpvsDestinationState extends IpvsDestination {
  readonly activeConnections: number;
  readonly counters: IpvsCounters;
}

/** Since the destination was added. */
export interface IpvsCounters {
  readonly connections: bigint;
  readonly packetsIn: bigint;
  readonly packetsOut: bigint;
  readonly bytesIn: bigint;
  readonly bytesOut: bigint;
}

/** Seconds without a packet after which a connection is forgotten. */
export interface IpvsTimeouts {
  readonly tcp: number;
  readonly tcpFin: number;
  readonly udp: number;
}

/** A command without the family's number, which differs from boot to boot. */
export interface IpvsCommand {
  /** In words: "add IPVS destination 10.0.0.11 to FWM 256". */
  readonly summary: string;
  readonly command: number;
  readonly attributes: readonly Buffer[];
}

const mayFallBack = (scheduler: string): boolean => scheduler === 'sh' || scheduler === 'mh';

/** As this project makes services: hash schedulers pass over destinations that drain. */
export const ipvsSettings = (scheduler: string, persistence: number): IpvsSettings => ({
  scheduler,
  persistence,
  flags: mayFallBack(scheduler) ? IP_VS_SVC_F_SCHED_FALLBACK : 0,
});

/** As `ipvsadm` shows it: "FWM 256", "FWM 256 IPv6", "TCP [fd00::5]:80". */
export function ipvsServiceName(id: IpvsServiceId): string {
  if ('protocol' in id)
    return `${id.protocol === 6 ? 'TCP' : id.protocol === 17 ? 'UDP' : 'SCTP'} ${bracketed(id.address)}:${id.port}`;
  return `FWM ${id.mark}${id.family === 6 ? ' IPv6' : ''}`;
}

/** union nf_inet_addr. */
function inetAddress(address: string): Buffer {
  const bytes = Buffer.alloc(16);
  addressBytes(address).copy(bytes);
  return bytes;
}

function identity(id: IpvsServiceId): Buffer[] {
  const af = attribute(IPVS_SVC_ATTR_AF, u16(familyNumber(id.family)));
  if (!('protocol' in id)) return [af, attribute(IPVS_SVC_ATTR_FWMARK, u32(id.mark))];
  return [
    af,
    attribute(IPVS_SVC_ATTR_PROTOCOL, u16(id.protocol)),
    attribute(IPVS_SVC_ATTR_ADDR, inetAddress(id.address)),
    attribute(IPVS_SVC_ATTR_PORT, u16be(id.port)),
  ];
}

function serviceAttribute({ id, settings }: IpvsService): Buffer {
  const flags = settings.flags | (settings.persistence > 0 ? IP_VS_SVC_F_PERSISTENT : 0);
  return nested(
    IPVS_CMD_ATTR_SERVICE,
    ...identity(id),
    attribute(IPVS_SVC_ATTR_SCHED_NAME, text(settings.scheduler)),
    attribute(IPVS_SVC_ATTR_FLAGS, u32(flags), u32(ALL_BITS)),
    attribute(IPVS_SVC_ATTR_TIMEOUT, u32(settings.persistence)),
    // A mask for IPv4, a prefix length for IPv6: the whole client address.
    attribute(IPVS_SVC_ATTR_NETMASK, id.family === 4 ? u32be(ALL_BITS) : u32(128)),
  );
}

const named = (id: IpvsServiceId): Buffer => nested(IPVS_CMD_ATTR_SERVICE, ...identity(id));

function destinationAttribute({ address, port, weight, masquerade, limit }: IpvsDestination): Buffer {
  if (!masquerade) throw new TypeError(`destination ${address}: only masquerading ones are made`);
  return nested(
    IPVS_CMD_ATTR_DEST,
    attribute(IPVS_DEST_ATTR_ADDR, inetAddress(address)),
    attribute(IPVS_DEST_ATTR_PORT, u16be(port)),
    attribute(IPVS_DEST_ATTR_FWD_METHOD, u32(IP_VS_CONN_F_MASQ)),
    attribute(IPVS_DEST_ATTR_WEIGHT, u32(weight)),
    attribute(IPVS_DEST_ATTR_U_THRESH, u32(limit)),
    attribute(IPVS_DEST_ATTR_L_THRESH, u32(0)),
  );
}

export const newIpvsService = (service: IpvsService): IpvsCommand => ({
  summary: `add IPVS service ${ipvsServiceName(service.id)} ${service.settings.scheduler}`,
  command: IPVS_CMD_NEW_SERVICE,
  attributes: [serviceAttribute(service)],
});

export const setIpvsService = (service: IpvsService): IpvsCommand => ({
  summary: `change IPVS service ${ipvsServiceName(service.id)} to ${service.settings.scheduler}`,
  command: IPVS_CMD_SET_SERVICE,
  attributes: [serviceAttribute(service)],
});

export const deleteIpvsService = (id: IpvsServiceId): IpvsCommand => ({
  summary: `delete IPVS service ${ipvsServiceName(id)}`,
  command: IPVS_CMD_DEL_SERVICE,
  attributes: [named(id)],
});

export const newIpvsDestination = (id: IpvsServiceId, destination: IpvsDestination): IpvsCommand => ({
  summary: `add IPVS destination ${destination.address} to ${ipvsServiceName(id)}`,
  command: IPVS_CMD_NEW_DEST,
  attributes: [named(id), destinationAttribute(destination)],
});

export const setIpvsDestination = (id: IpvsServiceId, destination: IpvsDestination): IpvsCommand => ({
  summary: `change IPVS destination ${destination.address} of ${ipvsServiceName(id)}`,
  command: IPVS_CMD_SET_DEST,
  attributes: [named(id), destinationAttribute(destination)],
});

export const deleteIpvsDestination = (
  id: IpvsServiceId,
  { address, port }: Pick<IpvsDestination, 'address' | 'port'>,
): IpvsCommand => ({
  summary: `delete IPVS destination ${address} of ${ipvsServiceName(id)}`,
  command: IPVS_CMD_DEL_DEST,
  attributes: [
    named(id),
    nested(
      IPVS_CMD_ATTR_DEST,
      attribute(IPVS_DEST_ATTR_ADDR, inetAddress(address)),
      attribute(IPVS_DEST_ATTR_PORT, u16be(port)),
    ),
  ],
});

export const setIpvsTimeouts = ({ tcp, tcpFin, udp }: IpvsTimeouts): IpvsCommand => ({
  summary: `set IPVS time-outs to ${tcp}, ${tcpFin} and ${udp} s`,
  command: IPVS_CMD_SET_CONFIG,
  attributes: [
    attribute(IPVS_CMD_ATTR_TIMEOUT_TCP, u32(tcp)),
    attribute(IPVS_CMD_ATTR_TIMEOUT_TCP_FIN, u32(tcpFin)),
    attribute(IPVS_CMD_ATTR_TIMEOUT_UDP, u32(udp)),
  ],
});

/** The request of a command. @param family the number of the generic netlink family IPVS */
export const ipvsRequest = (
  family: number,
  { command, attributes }: Pick<IpvsCommand, 'command' | 'attributes'>,
  flags = 0,
): NetlinkRequest => request(family, flags, Buffer.of(command, IPVS_GENL_VERSION, 0, 0), ...attributes);

const bodyOf = ({ payload }: NetlinkMessage): Attributes => new Attributes(payload.subarray(GENLMSGHDR));

/** Of what a dump of services, or a question for one, is answered. */
export function parseIpvsService(message: NetlinkMessage): IpvsService | undefined {
  const service = bodyOf(message).nested(IPVS_CMD_ATTR_SERVICE);
  if (!service) return undefined;
  const family = service.u16(IPVS_SVC_ATTR_AF) === familyNumber(6) ? 6 : 4;
  const mark = service.u32(IPVS_SVC_ATTR_FWMARK) ?? 0;
  const flags = service.u32(IPVS_SVC_ATTR_FLAGS) ?? 0;
  return {
    id: mark > 0 ? { family, mark } : addressed(service, family),
    settings: {
      scheduler: service.text(IPVS_SVC_ATTR_SCHED_NAME) ?? '',
      persistence: flags & IP_VS_SVC_F_PERSISTENT ? (service.u32(IPVS_SVC_ATTR_TIMEOUT) ?? 0) : 0,
      flags: flags & ~(IP_VS_SVC_F_PERSISTENT | IP_VS_SVC_F_HASHED),
    },
  };
}

const inetText = (bytes: Buffer | undefined, family: 4 | 6): string =>
  bytes === undefined ? '' : addressText(bytes.subarray(0, family === 4 ? 4 : 16));

const addressed = (service: Attributes, family: 4 | 6): IpvsServiceId => ({
  family,
  mark: 0,
  protocol: service.u16(IPVS_SVC_ATTR_PROTOCOL) ?? 0,
  address: inetText(service.bytes(IPVS_SVC_ATTR_ADDR), family),
  port: service.u16be(IPVS_SVC_ATTR_PORT) ?? 0,
});

/** @param family of its service */
export function parseIpvsDestination(message: NetlinkMessage, family: 4 | 6): IpvsDestinationState | undefined {
  const destination = bodyOf(message).nested(IPVS_CMD_ATTR_DEST);
  if (!destination) return undefined;
  const stats = destination.nested(IPVS_DEST_ATTR_STATS64);
  const counter = (type: number): bigint => stats?.bytes(type)?.readBigUInt64LE() ?? 0n;
  return {
    address: inetText(destination.bytes(IPVS_DEST_ATTR_ADDR), family),
    port: destination.u16be(IPVS_DEST_ATTR_PORT) ?? 0,
    weight: destination.u32(IPVS_DEST_ATTR_WEIGHT) ?? 0,
    masquerade: ((destination.u32(IPVS_DEST_ATTR_FWD_METHOD) ?? 0) & IP_VS_CONN_F_FWD_MASK) === IP_VS_CONN_F_MASQ,
    limit: destination.u32(IPVS_DEST_ATTR_U_THRESH) ?? 0,
    activeConnections: destination.u32(IPVS_DEST_ATTR_ACTIVE_CONNS) ?? 0,
    counters: {
      connections: counter(IPVS_STATS_ATTR_CONNS),
      packetsIn: counter(IPVS_STATS_ATTR_INPKTS),
      packetsOut: counter(IPVS_STATS_ATTR_OUTPKTS),
      bytesIn: counter(IPVS_STATS_ATTR_INBYTES),
      bytesOut: counter(IPVS_STATS_ATTR_OUTBYTES),
    },
  };
}

export function parseIpvsTimeouts(message: NetlinkMessage): IpvsTimeouts {
  const body = bodyOf(message);
  return {
    tcp: body.u32(IPVS_CMD_ATTR_TIMEOUT_TCP) ?? 0,
    tcpFin: body.u32(IPVS_CMD_ATTR_TIMEOUT_TCP_FIN) ?? 0,
    udp: body.u32(IPVS_CMD_ATTR_TIMEOUT_UDP) ?? 0,
  };
}

/** IPVS of one network namespace. Close it: its socket keeps the namespace alive. */
export class Ipvs {
  readonly #socket: NetlinkSocket;
  readonly #family: number;

  private constructor(socket: NetlinkSocket, family: number) {
    this.#socket = socket;
    this.#family = family;
  }

  /** @returns undefined when the kernel does not have it, not even as a module */
  static open(namespace: NetNamespace): Ipvs | undefined {
    const family = genericFamily(namespace, IPVS_GENL_NAME);
    if (!family) return undefined;
    return new Ipvs(new NetlinkSocket({ namespace, protocol: NETLINK_GENERIC }), family.id);
  }

  services(): IpvsService[] {
    return this.#dump(IPVS_CMD_GET_SERVICE, [], 'list IPVS services')
      .map(parseIpvsService)
      .filter((service) => service !== undefined);
  }

  /** @returns undefined when there is none */
  service(id: IpvsServiceId): IpvsService | undefined {
    const query = ipvsRequest(this.#family, { command: IPVS_CMD_GET_SERVICE, attributes: [named(id)] });
    try {
      return parseIpvsService(this.#socket.get(query, `read IPVS service ${ipvsServiceName(id)}`));
    } catch (error) {
      if (isKernelError(error, 'ESRCH')) return undefined;
      throw error;
    }
  }

  /** None without the service. @throws KernelError */
  destinations(id: IpvsServiceId): IpvsDestinationState[] {
    return this.#dump(IPVS_CMD_GET_DEST, [named(id)], `list destinations of IPVS service ${ipvsServiceName(id)}`)
      .map((message) => parseIpvsDestination(message, id.family))
      .filter((destination) => destination !== undefined);
  }

  timeouts(): IpvsTimeouts {
    const query = ipvsRequest(this.#family, { command: IPVS_CMD_GET_CONFIG, attributes: [] });
    return parseIpvsTimeouts(this.#socket.get(query, 'read IPVS time-outs'));
  }

  /**
   * Does them in their order; one that is refused does not stop the others.
   * @param isFine of an errno that is no refusal to the caller
   * @throws KernelError of the first that was refused
   */
  run(commands: readonly IpvsCommand[], isFine: (errno: number) => boolean = () => false): void {
    const failures = this.#socket.batch(commands.map((command) => ipvsRequest(this.#family, command)));
    const failure = failures.find(({ errno }) => !isFine(errno));
    if (failure) throw kernelError(commands[failure.index]?.summary ?? 'change IPVS', failure);
  }

  #dump(command: number, attributes: readonly Buffer[], operation: string): NetlinkMessage[] {
    return this.#socket.dump(ipvsRequest(this.#family, { command, attributes }, NLM_F_DUMP), operation);
  }

  close(): void {
    this.#socket.close();
  }
}
