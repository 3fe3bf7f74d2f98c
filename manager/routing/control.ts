import { ControlService, type LogBatch, type LogsRequest } from '../../proto/gen/index.js';
import type { CallContext, Handlers } from '../../proto/rpc/server.js';
import type { Method } from '../../proto/runtime.js';
import { isRead } from '../control/logged.js';
import type { LeaderClient } from './leader-client.js';
import type { Admission } from './managers-only.js';

type Control = Handlers<typeof ControlService>;
type Unary = (request: unknown, context: CallContext) => Promise<unknown>;
type AnyUnary = Method<unknown, unknown, false, false>;
type Unaries = Readonly<Record<string, Unary>>;

export interface RoutedControlOptions {
  /** What this manager answers from its own state. */
  readonly local: Control;
  readonly leader: LeaderClient;
  /** Resolves when all that was acknowledged anywhere is applied here. */
  readonly barrier: () => Promise<void>;
}

/**
 * Control as every manager offers it to its operators. Reads are answered here, from a state that is
 * no older than the question; writes are made by the leader, and looked at from such a state too, lest
 * one that was deposed refuses what it does not know. So each command does the same on any manager.
 */
export function routedControl({ local, leader, barrier }: RoutedControlOptions): Control {
  const handlers = local as unknown as Unaries;
  const entries = Object.entries(ControlService).map(([name, definition]) => {
    const here: Unary = async (request, context) => {
      await barrier();
      return call(handlers, name, request, context);
    };
    const write: Unary = (request, context) =>
      leader.call({
        here: () => here(request, context),
        there: ({ relay }) => relay.call(definition as AnyUnary, request, context.requestId),
        caller: context,
      });
    return [name, isRead(name) ? here : write] as const;
  });
  return {
    ...(Object.fromEntries(entries) as unknown as Control),
    async *watch(request, context) {
      await barrier();
      yield* local.watch(request, context);
    },
    async *events(request, context) {
      await barrier();
      yield* local.events(request, context);
    },
    logs: (request, context) => routedLogs(local, leader, request, context),
  };
}

/** The nodes that have the lines hold their sessions with the leader. */
async function* routedLogs(
  local: Control,
  leader: LeaderClient,
  request: LogsRequest,
  context: CallContext,
): AsyncIterable<LogBatch> {
  yield* leader.stream({
    here: () => local.logs(request, context),
    there: (channel, signal) => channel.stubs(ControlService).logs(request, { signal, requestId: context.requestId }),
    caller: context,
  });
}

/** Control as the leader offers it to other managers: for those alone, and never passed on again. */
export function managersControl(local: Control, admit: Admission): Control {
  const handlers = local as unknown as Unaries;
  const entries = Object.entries(ControlService).map(([name, { responseStream }]) => {
    if (!responseStream) {
      const unary: Unary = async (request, context) => {
        await admit(context);
        return call(handlers, name, request, context);
      };
      return [name, unary] as const;
    }
    const stream = async function* (request: unknown, context: CallContext) {
      await admit(context);
      yield* call(handlers, name, request, context) as unknown as AsyncIterable<unknown>;
    };
    return [name, stream] as const;
  });
  return Object.fromEntries(entries) as unknown as Control;
}

function call(handlers: Unaries, name: string, request: unknown, context: CallContext): Promise<unknown> {
  const handler = handlers[name];
  if (!handler) throw missing(name);
  return handler(request, context);
}

const missing = (name: string) => new RangeError(`Control has no ${name}`);
