import { isIP } from 'node:net';
import { failedPrecondition, invalidArgument, messageOf } from '../lib/errors.js';
import { bracketed } from '../lib/ip.js';

export const CONTROL_PORT = 2377;

/** An address at which this machine may be reached from others. */
export interface MachineAddress {
  /** Of the interface. */
  readonly name: string;
  readonly address: string;
  readonly family: 4 | 6;
}

/** What the machine looks like to the choice of an address. */
export interface Machine {
  readonly addresses: readonly MachineAddress[];
  /** Names of the interfaces that have a default route. */
  readonly defaultInterfaces: readonly string[];
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/**
 * Splits `host`, `host:port`, `[v6]:port` or a bare IPv6 address. Port 0 is taken only with `anyPort`.
 * @throws INVALID_ARGUMENT that names the value
 */
export function parseHostPort(text: string, defaultPort: number, anyPort = false): HostPort {
  if (isIP(text) === 6) return { host: text, port: defaultPort };
  const match = /^(?:\[([^\]]+)\]|([^:\s]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (!host || port > 65_535 || (port === 0 && !anyPort)) {
    throw invalidArgument(`"${text}" is not an address`, {
      value: text,
      hint: 'An address looks like 192.168.0.5 or 192.168.0.5:2377.',
    });
  }
  return { host, port };
}

export function formatHostPort({ host, port }: HostPort): string {
  return `${bracketed(host)}:${port}`;
}

const REASONS = {
  EADDRINUSE: 'another program uses that port',
  EADDRNOTAVAIL: 'it is not an address of this machine',
  EACCES: 'this port needs more privileges',
};

/** Why nothing can listen at an address, in words; gRPC has the system's code in its text alone. */
export function whyNotThere(error: unknown): string {
  const text = messageOf(error);
  return Object.entries(REASONS).find(([code]) => text.includes(code))?.[1] ?? text;
}

/**
 * The address that other nodes shall use: what the user gave (an address of this machine or the name
 * of an interface, with or without a port), or else the one of the default route.
 * @param port when the user gave none
 * @throws INVALID_ARGUMENT when it is no address of this machine, or several are possible
 * @throws FAILED_PRECONDITION when the machine has none
 */
export function chooseAddress(given: string, port: number, machine: Machine, flag: string): HostPort {
  if (given === '') return { host: defaultAddress(machine, flag), port };
  const parsed = parseHostPort(given, port);
  if (isIP(parsed.host) === 0) return { host: addressOfInterface(parsed.host, machine, flag), port: parsed.port };
  const known = machine.addresses;
  if (!known.some(({ address }) => address === parsed.host)) {
    throw invalidArgument(`${flag}: ${parsed.host} is not an address of this machine`, {
      value: given,
      hint: known.length > 0 ? `It has ${list(known)}.` : 'It has no address but that of the loopback interface.',
    });
  }
  return parsed;
}

function defaultAddress(machine: Machine, flag: string): string {
  const all = machine.addresses;
  const routed = all.filter(({ name }) => machine.defaultInterfaces.includes(name));
  const candidates = preferV4(routed.length > 0 ? routed : all);
  if (candidates.length === 1 && candidates[0]) return candidates[0].address;
  if (candidates.length === 0) {
    throw failedPrecondition(
      'could not find an address to advertise: this machine has none but that of the loopback interface',
      {
        hint: `Give the machine an address, or name one by ${flag}.`,
      },
    );
  }
  throw invalidArgument(
    `could not choose an IP address to advertise since this system has multiple addresses: ${list(candidates)}`,
    {
      hint: `Specify one with ${flag}.`,
    },
  );
}

function addressOfInterface(name: string, machine: Machine, flag: string): string {
  const candidates = preferV4(machine.addresses.filter((candidate) => candidate.name === name));
  if (candidates.length === 1 && candidates[0]) return candidates[0].address;
  if (candidates.length > 1) {
    throw invalidArgument(
      `${flag}: interface ${name} has more than one address: ${candidates.map((c) => c.address).join(', ')}`,
      {
        value: name,
        hint: `Give one of them as ${flag}.`,
      },
    );
  }
  throw invalidArgument(`${flag}: "${name}" is neither an IP address nor an interface with one`, {
    value: name,
    hint: `This machine has ${list(machine.addresses) || 'no addresses'}.`,
  });
}

/** IPv6 only where there is no IPv4: the data path is IPv4. */
function preferV4(candidates: readonly MachineAddress[]): readonly MachineAddress[] {
  const v4 = candidates.filter(({ family }) => family === 4);
  return v4.length > 0 ? v4 : candidates;
}

const list = (candidates: readonly MachineAddress[]) =>
  candidates.map(({ name, address }) => `${address} on ${name}`).join(', ');
