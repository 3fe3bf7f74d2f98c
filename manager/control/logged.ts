import { codeOf } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import { ControlService } from '../../proto/gen/index.js';
import type { CallContext, Handlers } from '../../proto/rpc/server.js';

type Control = Handlers<typeof ControlService>;
type Unary = (request: unknown, context: CallContext) => Promise<unknown>;
type Streaming = (request: unknown, context: CallContext) => AsyncIterable<unknown>;

/** What is only looked at: it changes nothing. */
export const isRead = (name: string): boolean => name.startsWith('get') || name.startsWith('list');

/**
 * Control that logs each call when it is over, by its request id: changes at level info, reads and streams at debug.
 * @param via who makes the calls: `operator`, or `manager` for those that came to another one
 */
export function loggedControl(control: Control, via: 'operator' | 'manager', log: Logger): Control {
  const handlers = control as unknown as Readonly<Record<string, Unary | Streaming>>;
  const entries = Object.entries(ControlService).map(([name, { responseStream }]) => {
    const level = responseStream || isRead(name) ? 'debug' : 'info';
    const over = (began: number, { requestId }: CallContext, code: string) => {
      const fields = { change: requestId, method: name, via, code, ms: Math.round(performance.now() - began) };
      log[level](fields, `call ${name}: ${code}`);
    };
    if (responseStream) {
      const handler = handlers[name] as Streaming;
      const stream: Streaming = async function* (request, context) {
        const began = performance.now();
        let code = 'CANCELLED';
        try {
          yield* handler(request, context);
          code = 'OK';
        } catch (error) {
          code = codeOf(error);
          throw error;
        } finally {
          over(began, context, code);
        }
      };
      return [name, stream] as const;
    }
    const handler = handlers[name] as Unary;
    const unary: Unary = async (request, context) => {
      const began = performance.now();
      // An id that cannot be taken is refused before anything is done.
      void context.requestId;
      try {
        const answer = await handler(request, context);
        over(began, context, 'OK');
        return answer;
      } catch (error) {
        over(began, context, codeOf(error));
        throw error;
      }
    };
    return [name, unary] as const;
  });
  return Object.fromEntries(entries) as unknown as Control;
}
