import { timingSafeEqual } from 'node:crypto';
import { failedPrecondition, invalidArgument, unauthenticated } from '../../../lib/errors.js';
import type { RaftHello } from '../../../proto/gen/raft-transport.js';
import type { CallContext } from '../../../proto/rpc/server.js';
import type { NodeId } from '../core/types.js';

/**
 * What holds for every caller, whatever the state of the swarm: it is a manager of this swarm and speaks for itself.
 * @throws UNAUTHENTICATED, FAILED_PRECONDITION when it is of another group, INVALID_ARGUMENT
 */
export function checkCaller(
  hello: RaftHello | undefined,
  { credential }: Pick<CallContext, 'credential'>,
  self: { readonly raftId: NodeId; readonly group: string; readonly managerSecret: Uint8Array },
): RaftHello {
  const { raftId, group, managerSecret } = self;
  if (!credential?.managerSecret || !sameSecret(credential.managerSecret, managerSecret))
    throw unauthenticated('the caller does not prove to be a manager of this swarm');
  if (!hello) throw invalidArgument('a stream of Raft messages begins with a hello');
  if (hello.nodeId !== credential.nodeId)
    throw unauthenticated(`node ${credential.nodeId} calls itself ${hello.nodeId}`, { value: hello.nodeId });
  checkGroup(hello, group);
  if (hello.from === raftId)
    throw failedPrecondition(`node ${hello.nodeId} calls itself Raft member ${raftId}, which is this manager`, {
      value: hello.nodeId,
      hint: 'Two managers must not run on copies of the same data folder.',
    });
  return hello;
}

/** @throws FAILED_PRECONDITION when another manager than the one that was dialled has answered */
export function checkAnswer(
  hello: RaftHello,
  dialled: { readonly peer: NodeId; readonly address: string; readonly group: string },
): void {
  checkGroup(hello, dialled.group);
  if (hello.from === dialled.peer) return;
  throw failedPrecondition(
    `at ${dialled.address} node ${hello.nodeId} answers as Raft member ${hello.from}, not as member ${dialled.peer}`,
    { value: dialled.address },
  );
}

function checkGroup(hello: RaftHello, group: string): void {
  if (hello.group === group) return;
  throw failedPrecondition(`node ${hello.nodeId} is of Raft group "${hello.group}", not of "${group}"`, {
    value: hello.group,
    hint: 'Two swarms have come to use the same address.',
  });
}

function sameSecret(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
