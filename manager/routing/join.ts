import { JoinService } from '../../proto/gen/index.js';
import type { Handlers } from '../../proto/rpc/server.js';
import type { LeaderClient } from './leader-client.js';

type Join = Handlers<typeof JoinService>;

/** Joining and leaving as every manager offers it: the leader does it. A node need not know who that is. */
export function routedJoin(local: Join, leader: LeaderClient): Join {
  return {
    joinSwarm: (request, context) =>
      leader.call({
        here: () => local.joinSwarm(request, context),
        there: ({ channel }) => channel.stubs(JoinService).joinSwarm(request, { signal: context.signal }),
        caller: context,
        // The machine chooses its id.
        repeatable: request.nodeId !== '',
      }),
    leaveSwarm: (request, context) =>
      leader.call({
        here: () => local.leaveSwarm(request, context),
        there: ({ channel }) => channel.stubs(JoinService).leaveSwarm(request, { signal: context.signal }),
        credential: context.credential,
        caller: context,
      }),
    becomeManager: (request, context) =>
      leader.call({
        here: () => local.becomeManager(request, context),
        there: ({ channel }) => channel.stubs(JoinService).becomeManager(request, { signal: context.signal }),
        credential: context.credential,
        caller: context,
        repeatable: true,
      }),
  };
}
