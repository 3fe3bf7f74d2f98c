import type { ContainerSpec } from '../../proto/gen/specs.js';
import type { Flags } from './flags.js';

const ALL = 'ALL';
/** Empties the list that it is given for: it is no capability. */
const RESET = 'RESET';

type Capabilities = Pick<ContainerSpec, 'capabilityAdd' | 'capabilityDrop'>;

/** NET_ADMIN, net_admin and CAP_NET_ADMIN are the same. */
function normal(text: string): string {
  const name = text.toUpperCase();
  return name === ALL || name === RESET || name.startsWith('CAP_') ? name : `CAP_${name}`;
}

/**
 * A container's capabilities with `--cap-add` and `--cap-drop` applied. As with docker each flag first takes back
 * what the other has done: a capability that was dropped and is added is then neither. Where both name the same
 * one, it is added.
 */
export function applyCapabilityFlags({ capabilityAdd, capabilityDrop }: Capabilities, flags: Flags): Capabilities {
  const given = (flag: string) => new Set(flags.list(flag).map(normal));
  const [add, drop] = [given('cap-add'), given('cap-drop')];
  if (add.size === 0 && drop.size === 0) return { capabilityAdd, capabilityDrop };
  const added = new Set(add.has(RESET) ? [] : capabilityAdd);
  const dropped = new Set(drop.has(RESET) ? [] : capabilityDrop);
  for (const name of drop) if (!add.has(name) && !added.delete(name)) dropped.add(name);
  for (const name of add) if (!dropped.delete(name)) added.add(name);
  return { capabilityAdd: listOf(added), capabilityDrop: listOf(dropped) };
}

/** In an order of its own, so that the same capabilities are the same spec. */
function listOf(names: ReadonlySet<string>): readonly string[] {
  if (names.has(ALL)) return [ALL];
  return [...names].filter((name) => name !== RESET).sort();
}
