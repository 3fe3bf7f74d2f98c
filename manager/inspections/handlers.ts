import { invalidArgument, unavailable } from '../../lib/errors.js';
import { InspectionsService } from '../../proto/gen/index.js';
import type { Handlers } from '../../proto/rpc/server.js';
import type { StandingSource } from '../leader-duties.js';
import type { LeaderClient } from '../routing/leader-client.js';
import type { Admission } from '../routing/managers-only.js';
import type { InspectionBroker } from './broker.js';

type Inspections = Handlers<typeof InspectionsService>;

/** As the leader answers it: nodes hold their streams with it alone. */
export function leadersInspections(broker: InspectionBroker, source: StandingSource): Inspections {
  return {
    async inspectNode({ nodeId, question }, { signal }) {
      if (!source.standing().leading) throw unavailable('this manager does not lead the swarm');
      return { answer: await broker.ask(nodeId, question, signal) };
    },
  };
}

/** As the leader offers it to other managers. */
export function managersInspections(local: Inspections, admit: Admission): Inspections {
  return {
    async inspectNode(request, context) {
      await admit(context);
      return local.inspectNode(request, context);
    },
  };
}

/** As every manager asks its leader. Questions change nothing, so they can be asked again. */
export function routedInspections(local: Inspections, leader: LeaderClient): Inspections {
  return {
    inspectNode: (request, context) =>
      leader.call({
        here: () => local.inspectNode(request, context),
        there: ({ relay }) => relay.call(InspectionsService.inspectNode, request),
        caller: context,
        repeatable: true,
      }),
  };
}

/** As every manager offers it to its operators: tunnels are made by managers alone. */
export function operatorsInspections(routed: Inspections): Inspections {
  return {
    async inspectNode(request, context) {
      if (request.question.tunnel) throw invalidArgument('tunnels are made by managers alone: call TaskAccess');
      return routed.inspectNode(request, context);
    },
  };
}
