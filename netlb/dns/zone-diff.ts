import type { Zone, ZoneName } from '../state.js';
import type { Command } from './protocol.js';

/** Names in one message: who tells them and who is told them do other things between two. */
const MAX_NAMES = 256;

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
    commands.push(...changesOf(before?.networkName === zone.networkName ? before : undefined, zone));
  }
  return commands;
}

/** The commands in their order, as many to a message as have no more than MAX_NAMES between them. */
export function* messagesOf(commands: readonly Command[]): Generator<readonly Command[]> {
  let message: Command[] = [];
  let weight = 0;
  for (const command of commands) {
    const more = command.kind === 'change-zone' ? Math.max(1, command.change.put.length) : 1;
    if (message.length > 0 && weight + more > MAX_NAMES) {
      yield message;
      [message, weight] = [[], 0];
    }
    message.push(command);
    weight += more;
  }
  if (message.length > 0) yield message;
}

/** A large change comes in parts. */
function changesOf(before: Zone | undefined, zone: Zone): Command[] {
  if (before === zone) return [];
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
  if (before && put.length === 0 && removed.length === 0 && samePorts) return [];
  const parts = Array.from({ length: Math.max(1, Math.ceil(put.length / MAX_NAMES)) }, (_, i) =>
    put.slice(i * MAX_NAMES, (i + 1) * MAX_NAMES),
  );
  return parts.map((part, i) => ({
    kind: 'change-zone',
    change: { id, networkName, put: part, removed: i === 0 ? removed : [], ports },
  }));
}

function sameName(a: ZoneName, b: ZoneName): boolean {
  return (
    a === b ||
    (a.canonical === b.canonical &&
      a.addresses.length === b.addresses.length &&
      a.addresses.every((address, i) => address === b.addresses[i]))
  );
}
