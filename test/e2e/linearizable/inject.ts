import { killDaemon, restartDaemon } from '../../../lab/daemons.js';
import { heal, partition } from '../../../lab/faults.js';
import type { NodeLayout } from '../../../lab/layout.js';
import { allDone } from '../../../lib/async.js';
import { systemClock } from '../../../lib/clock.js';
import { leaderSeenBy, signalDaemon } from '../managers.js';
import type { Episode, Fault, FaultKind } from './schedule.js';

const BEGIN: Readonly<Record<FaultKind, (node: NodeLayout) => Promise<void>>> = {
  kill: (node) => killDaemon(node, false),
  freeze: async (node) => signalDaemon(node, 'SIGSTOP'),
  cut: (node) => partition(node, 'both'),
  mute: (node) => partition(node, 'outgoing'),
};

const END: Readonly<Record<FaultKind, (node: NodeLayout) => Promise<void>>> = {
  kill: (node) => restartDaemon(node),
  freeze: async (node) => signalDaemon(node, 'SIGCONT'),
  cut: heal,
  mute: heal,
};

/** Lets the faults of one episode happen to the managers, and mends them. @returns them in words */
export async function inject(episode: Episode, managers: readonly NodeLayout[]): Promise<string> {
  const hit = await victims(episode.faults, managers);
  const mend = () => allDone(hit.map(({ kind, node }) => END[kind](node)));
  try {
    await allDone(hit.map(({ kind, node }) => BEGIN[kind](node)));
    await systemClock.sleep(episode.lasts);
  } finally {
    await mend();
  }
  return `${hit.map(({ words }) => words).join(' and ')} for ${episode.lasts} ms`;
}

interface Victim {
  readonly kind: FaultKind;
  readonly node: NodeLayout;
  readonly words: string;
}

/** One fault for each manager at most. */
async function victims(faults: readonly Fault[], managers: readonly NodeLayout[]): Promise<readonly Victim[]> {
  const leads = faults.some(({ target }) => target === 'leader')
    ? await leaderSeenBy(managers.map(({ number }) => number))
    : undefined;
  const found = new Map<NodeLayout, Victim>();
  for (const { kind, target } of faults) {
    const node = target === 'leader' ? managers.find(({ number }) => number === leads) : managers[target];
    if (!node || found.has(node)) continue;
    found.set(node, { kind, node, words: `${kind} ${node.name}${target === 'leader' ? ' (the leader)' : ''}` });
  }
  return [...found.values()];
}
