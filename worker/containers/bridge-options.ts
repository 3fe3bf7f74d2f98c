import { invalidArgument } from '../../lib/errors.js';
import type { NetworkSpec } from '../../proto/gen/index.js';

/** What driver options say of a bridge, by the names that Docker's driver has. */
export interface BridgeOptions {
  /** Of the link; empty: br-<first 12 of the network's id>. */
  readonly name: string;
  readonly interContainer: boolean;
  readonly masquerade: boolean;
  /** 0: not given. */
  readonly mtu: number;
}

export const NAME = 'com.docker.network.bridge.name';
export const ICC = 'com.docker.network.bridge.enable_icc';
export const MASQUERADE = 'com.docker.network.bridge.enable_ip_masquerade';
export const DEFAULT_BRIDGE = 'com.docker.network.bridge.default_bridge';
const MTU = 'com.docker.network.driver.mtu';
const KNOWN: readonly string[] = [NAME, ICC, MASQUERADE, MTU];

const MTU_MIN = 68;
const MTU_MAX = 65_535;

/** @throws INVALID_ARGUMENT that names the option */
export function bridgeOptions(options: NetworkSpec['driverOptions']): BridgeOptions {
  const name = options[NAME] ?? '';
  if (name !== '' && !/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,14}$/.test(name)) {
    throw invalidArgument(`${NAME}: "${name}" cannot be the name of a link`, {
      value: name,
      hint: 'It has up to 15 letters, digits, and _ . - inside.',
    });
  }
  return {
    name,
    interContainer: flag(options, ICC),
    masquerade: flag(options, MASQUERADE),
    mtu: mtuOf(options[MTU] ?? ''),
  };
}

/** @throws INVALID_ARGUMENT for an option that nobody knows */
export function checkOptionNames(options: NetworkSpec['driverOptions']): void {
  for (const key of Object.keys(options)) {
    if (KNOWN.includes(key)) continue;
    throw invalidArgument(`option "${key}" is not known to the bridge driver`, {
      value: key,
      hint: `It knows ${KNOWN.join(', ')}.`,
    });
  }
}

function flag(options: NetworkSpec['driverOptions'], key: string): boolean {
  const text = options[key] ?? 'true';
  if (/^(?:true|1|t)$/i.test(text)) return true;
  if (/^(?:false|0|f)$/i.test(text)) return false;
  throw invalidArgument(`${key}: "${text}" is neither true nor false`, { value: text });
}

function mtuOf(text: string): number {
  if (text === '' || text === '0') return 0;
  const mtu = Number(text);
  if (Number.isInteger(mtu) && mtu >= MTU_MIN && mtu <= MTU_MAX) return mtu;
  throw invalidArgument(`${MTU}: "${text}" is not an MTU`, { value: text, hint: `It is ${MTU_MIN} to ${MTU_MAX}.` });
}
