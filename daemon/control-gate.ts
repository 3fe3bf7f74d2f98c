import { failedPrecondition } from '../lib/errors.js';
import { ControlService, type InspectionsService, TaskAccessService } from '../proto/gen/index.js';
import type { CallContext, Handlers } from '../proto/rpc/server.js';
import type { Method } from '../proto/runtime.js';

/** What decides who answers Control on the local socket; asked anew for every call, since roles change. */
export interface ControlSource {
  /** The manager's handlers while this node is one. */
  readonly control: Handlers<typeof ControlService> | undefined;
  /** Its questions to other nodes, likewise. */
  readonly inspections?: Handlers<typeof InspectionsService> | undefined;
  /** Its tunnels to tasks, likewise. */
  readonly taskAccess?: Handlers<typeof TaskAccessService> | undefined;
  /** Whether this node belongs to a swarm. */
  readonly joined: boolean;
}

/** Control as the local socket offers it: the manager's, or words that say why there is none. */
export function controlGate(source: ControlSource): Handlers<typeof ControlService> {
  return gate(ControlService, source, () => source.control);
}

/** Tasks on any node, likewise. */
export function taskAccessGate(source: ControlSource): Handlers<typeof TaskAccessService> {
  return gate(TaskAccessService, source, () => source.taskAccess);
}

/** Inspections likewise. */
export function inspectionsGate(source: ControlSource): Handlers<typeof InspectionsService> {
  return {
    async inspectNode(request, context) {
      if (!source.inspections) throw notAManager(source.joined);
      return source.inspections.inspectNode(request, context);
    },
  };
}

type AnyMethod = Method<unknown, unknown, boolean, boolean>;

function gate<S extends object>(
  service: S,
  source: ControlSource,
  manager: () => Handlers<S> | undefined,
): Handlers<S> {
  type Call = (request: unknown, context: CallContext) => unknown;
  const entries = (Object.entries(service) as [string, AnyMethod][]).map(([name, { responseStream }]) => {
    const call: Call = (request, context) => {
      const handlers = manager();
      if (!handlers) throw notAManager(source.joined);
      return (handlers as unknown as Record<string, Call>)[name]?.(request, context);
    };
    // A stream's handler is an iterable: what it throws must come out of the iteration.
    const streamed = async function* (request: unknown, context: CallContext) {
      yield* call(request, context) as AsyncIterable<unknown>;
    };
    return [name, responseStream ? streamed : call] as const;
  });
  return Object.fromEntries(entries) as unknown as Handlers<S>;
}

function notAManager(joined: boolean) {
  return joined
    ? failedPrecondition(
        "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. Please run this command on a manager node or promote the current node to a manager.",
      )
    : failedPrecondition(
        'This node is not a swarm manager. Use "tsswarm init" or "tsswarm join" to connect this node to swarm and try again.',
      );
}
