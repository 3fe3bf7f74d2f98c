import type { Zone, ZoneName } from '../state.js';
import type { Command } from './protocol.js';

/**
 * What makes the zones of another thread, as it knows them now, what they shall be. Zones are rebuilt whole with
 * every change of an endpoint, so they are compared by what they say.
 */
export function zoneCommands(known: ReadonlyMap<string, Zone>, wanted: ReadonlyMap<string, Zone>): readonly Command[] {
  const commands: Command[] = [];
  for (const [id, { networkName }] of known)
    if (wanted.get(id)?.networkName !== networkName) commands.push({ kind: 'remove-zone', id });
  for (const zone of wanted.values()) {
    const before = known.get(zone.id);
    const command = changeOf(before?.networkName === zone.networkName ? before : undefined, zone);
    if (command) commands.push(command);
  }
  return commands;
}

function changeOf(before: Zone | undefined, zone: Zone): Command | undefined {
  if (before === zone) return undefined;
  const { id, networkName, names, ports } = zone;
  const left = new Map((before?.names ?? []).map((name) => [name.name, name]));
  const put: ZoneName[] = [];
  for (const name of names) {
    const old = left.get(name.name);
    left.delete(name.name);
    if (!old || !sameName(old, name)) put.push(name);
  }
  const removed = [...left.keys()];
  const samePorts = JSON.stringify(before?.ports ?? []) === JSON.stringify(ports);
  if (before && put.length === 0 && removed.length === 0 && samePorts) return undefined;
  return { kind: 'change-zone', change: { id, networkName, put, removed, ports } };
}

function sameName(a: ZoneName, b: ZoneName): boolean {
  return (
    a === b ||
    (a.canonical === b.canonical &&
      a.addresses.length === b.addresses.length &&
      a.addresses.every((address, i) => address === b.addresses[i]))
  );
}
