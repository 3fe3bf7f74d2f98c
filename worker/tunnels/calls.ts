import { SwarmError } from '../../lib/errors.js';
import {
  AttachOpen,
  AttachRequest,
  type ContainersService,
  CopyFromRequest,
  CopyToRequest,
  ExecOpen,
  ExecRequest,
  TunnelAnswer,
  type TunnelRequest,
} from '../../proto/gen/index.js';
import type { CallContext, Handlers } from '../../proto/rpc/server.js';

/** What may be called through a tunnel. */
export type Callable = Pick<Handlers<typeof ContainersService>, 'exec' | 'attach' | 'copyFrom' | 'copyTo'>;

/**
 * Answers the call that the first request makes as if it had come to this machine's Containers, for the container of this task
 * whatever the request names.
 */
export async function* answers(
  containers: Callable,
  taskId: string,
  requests: AsyncIterator<TunnelRequest>,
  context: CallContext,
): AsyncGenerator<TunnelAnswer> {
  const next = await requests.next();
  if (next.done) return;
  const first = next.value;
  if (first.exec?.open) {
    const open = ExecOpen.create({ ...first.exec.open, ref: taskId });
    const messages = following(ExecRequest.create({ open }), requests, ({ exec }) => exec);
    for await (const process of containers.exec(messages, context)) yield TunnelAnswer.create({ process });
  } else if (first.attach?.open) {
    const open = AttachOpen.create({ ...first.attach.open, ref: taskId });
    const messages = following(AttachRequest.create({ open }), requests, ({ attach }) => attach);
    for await (const process of containers.attach(messages, context)) yield TunnelAnswer.create({ process });
  } else if (first.copyFrom) {
    const request = CopyFromRequest.create({ ...first.copyFrom, ref: taskId });
    for await (const copyFrom of containers.copyFrom(request, context)) yield TunnelAnswer.create({ copyFrom });
  } else if (first.copyTo) {
    const head = CopyToRequest.create({ ...first.copyTo, ref: taskId });
    const messages = following(head, requests, ({ copyTo }) => copyTo);
    yield TunnelAnswer.create({ copyTo: await containers.copyTo(messages, context) });
  } else throw new SwarmError('UNIMPLEMENTED', 'this node does not understand the call: its tsswarmd is older');
}

/** @throws INVALID_ARGUMENT for a request of another call than the first one */
async function* following<T>(
  first: T,
  requests: AsyncIterator<TunnelRequest>,
  pick: (request: TunnelRequest) => T | undefined,
): AsyncGenerator<T> {
  yield first;
  for (let next = await requests.next(); !next.done; next = await requests.next()) {
    const message = pick(next.value);
    if (message === undefined) throw new SwarmError('INVALID_ARGUMENT', 'a tunnel is for one call');
    yield message;
  }
}
