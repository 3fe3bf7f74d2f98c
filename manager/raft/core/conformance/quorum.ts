import { describeCommit, indexString } from '../quorum/describe.js';
import { type JointConfig, jointCommitted, jointIds, jointVote } from '../quorum/joint.js';
import { type AckedIndexer, majorityCommitted, majorityVote } from '../quorum/majority.js';
import type { NodeId } from '../types.js';
import type { TestCase } from './datadriven.js';

/**
 * Replays one transcript of quorums. `cfg` and `cfgj` are the halves of the configuration (`cfgj=zero`
 * is an empty half), `idx` or `votes` what their voters say, in their order, each voter once; `_` is
 * a voter that has said nothing.
 */
export function quorumReplay(): (test: TestCase) => string {
  return ({ directive: { command, args } }) => {
    const list = (key: string) => args.filter((arg) => arg.key === key).flatMap(({ values }) => values);
    const incoming = list('cfg').map(Number);
    const outgoing = list('cfgj')
      .filter((id) => id !== 'zero')
      .map(Number);
    const joint = list('cfgj').length > 0;
    const config: JointConfig = { incoming: new Set(incoming), outgoing: new Set(outgoing) };
    const said = list(command === 'vote' ? 'votes' : 'idx');
    const voters = jointIds(config);
    if (voters.length !== said.length) {
      const numbers = { y: '2', n: '1', _: '0' } as const;
      const shown = said.map((text) => numbers[text as keyof typeof numbers] ?? text);
      return `error: mismatched input (explicit or _) for voters map[${voters.map((id) => `${id}:{}`).join(' ')}]: [${shown.join(' ')}]`;
    }
    const byVoter = new Map<NodeId, string>();
    for (const [i, id] of [...new Set([...incoming, ...outgoing])].entries()) {
      const text = said[i];
      if (text !== undefined && text !== '_') byVoter.set(id, text);
    }
    switch (command) {
      case 'committed':
        return committed(config, joint, byVoter);
      case 'vote':
        return vote(config, joint, byVoter);
      default:
        throw new Error(`unknown command ${command}`);
    }
  };
}

/** Where two ways to the same answer differ, the transcript would show it. */
function committed(config: JointConfig, joint: boolean, said: ReadonlyMap<NodeId, string>): string {
  const acked: AckedIndexer = (id) => (said.has(id) ? Number(said.get(id)) : undefined);
  const index = joint ? jointCommitted(config, acked) : majorityCommitted(config.incoming, acked);
  const { incoming, outgoing } = config;
  const alternatives = joint
    ? [{ via: 'symmetry', index: jointCommitted({ incoming: outgoing, outgoing: incoming }, acked) }]
    : [
        { via: 'alternative computation', index: committedByCounting(incoming, acked) },
        { via: 'zero-joint quorum', index: jointCommitted({ incoming, outgoing: new Set() }, acked) },
        { via: 'self-joint quorum', index: jointCommitted({ incoming, outgoing: incoming }, acked) },
      ];
  const differing = alternatives.filter((other) => other.index !== index);
  return [
    describeCommit(joint ? jointIds(config) : incoming, acked),
    ...differing.map((other) => `${indexString(other.index)} <-- via ${other.via}\n`),
    indexString(index),
  ].join('');
}

/** The same by its definition: the highest index that enough voters have reached. */
function committedByCounting(voters: ReadonlySet<NodeId>, acked: AckedIndexer): number {
  if (voters.size === 0) return Number.POSITIVE_INFINITY;
  const indexes = [...voters].map((id) => acked(id) ?? 0);
  const reached = (index: number) => indexes.filter((other) => other >= index).length;
  return Math.max(0, ...indexes.filter((index) => reached(index) > voters.size / 2));
}

function vote(config: JointConfig, joint: boolean, said: ReadonlyMap<NodeId, string>): string {
  const votes = new Map([...said].map(([id, text]) => [id, text === 'y'] as const));
  if (!joint) return majorityVote(config.incoming, votes);
  const result = jointVote(config, votes);
  const swapped = jointVote({ incoming: config.outgoing, outgoing: config.incoming }, votes);
  return swapped === result ? result : `${swapped} <-- via symmetry\n${result}`;
}
