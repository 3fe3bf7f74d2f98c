import type { EventEmitter } from 'node:events';
import {
  Server as GrpcServer,
  type handleBidiStreamingCall,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { yieldToLoop } from '../../lib/async.js';
import { internal, messageOf, SwarmError, unavailable } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { Method } from '../runtime.js';
import { Connections, type Received } from './connections.js';
import { claimedCredential, type NodeCredential, serverCredentials } from './credentials.js';
import { toStatus } from './errors.js';
import { requestIdOf } from './request-id.js';
import { bufferOf, firstOf } from './streams.js';

/** What a handler knows of the call it serves. */
export interface CallContext {
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
  /** The caller's address as gRPC names it: `ipv4:203.0.113.2:40000`, or of a unix socket. */
  readonly peer: string;
  /** What the caller claims to be; to be checked against the store. */
  readonly credential: NodeCredential | undefined;
  /**
   * What the call is known by in logs, and in what it changes: the caller's `x-request-id`, or one made for it.
   * @throws INVALID_ARGUMENT when the caller's own cannot be taken
   */
  readonly requestId: string;
  /** What comes over the caller's connection, also when it has nothing to say but pings; left out where there is none. */
  readonly received?: Received | undefined;
}

type AnyMethod = Method<unknown, unknown, boolean, boolean>;
type Handler<M> =
  M extends Method<infer Req, infer Res, infer ReqStream, infer ResStream>
    ? ReqStream extends true
      ? (
          messages: AsyncIterable<Req>,
          context: CallContext,
        ) => ResStream extends true ? AsyncIterable<Res> : Promise<Res>
      : ResStream extends true
        ? (request: Req, context: CallContext) => AsyncIterable<Res>
        : (request: Req, context: CallContext) => Promise<Res>
    : never;

/**
 * One function per RPC. A SwarmError that it throws reaches the caller whole; anything else as INTERNAL.
 * The messages that a caller streams end when it says so; when it has gone before, reading them throws CANCELLED.
 */
export type Handlers<S> = { readonly [K in keyof S]: Handler<S[K]> };

/** A gRPC server on any number of addresses. */
export class RpcServer {
  readonly #server = new GrpcServer({
    'grpc.max_receive_message_length': 64 << 20,
    'grpc.max_send_message_length': 64 << 20,
    'grpc.keepalive_time_ms': 30_000,
    'grpc.keepalive_timeout_ms': 5_000,
  });
  readonly #log: Logger;
  readonly #connections: Connections;

  constructor(log: Logger) {
    this.#log = log;
    const injector = this.#server.createConnectionInjector(serverCredentials());
    this.#connections = new Connections((socket) => injector.injectConnection(socket));
  }

  add<S extends object>(service: S, handlers: Handlers<S>): void {
    for (const [name, definition] of Object.entries(service)) {
      const m = definition as AnyMethod;
      const handler = (handlers as Record<string, (arg: unknown, context: CallContext) => unknown>)[name];
      if (!handler) throw internal(`no handler for ${m.path}`);
      const grpcMethod = {
        path: m.path,
        requestStream: m.requestStream,
        responseStream: m.responseStream,
        requestSerialize: (v: unknown) => bufferOf(m.request.encode(v)),
        requestDeserialize: m.request.decode,
        responseSerialize: (v: unknown) => bufferOf(m.response.encode(v)),
        responseDeserialize: m.response.decode,
      };
      this.#server.addService({ [name]: grpcMethod }, { [name]: this.#implementation(m, handler) });
    }
  }

  /**
   * @param address `host:port` or `unix:///path`
   * @returns the bound port; 0 for a unix socket
   * @throws UNAVAILABLE when the address cannot be bound
   */
  listen(address: string): Promise<number> {
    return address.startsWith('unix:') ? this.#listenLocally(address) : this.#connections.listen(address);
  }

  #listenLocally(address: string): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, serverCredentials(), (cause, port) => {
        if (!cause) resolve(port);
        else reject(unavailable(`cannot listen on ${address}: ${cause.message}`, { value: address, cause }));
      });
    });
  }

  /** Ends all calls. Streams that clients hold open do not delay it. */
  close(): void {
    this.#connections.close();
    this.#server.forceShutdown();
  }

  #implementation(m: AnyMethod, handler: (arg: unknown, context: CallContext) => unknown): UntypedHandleCall {
    if (m.responseStream) {
      return (call: Answering) =>
        void this.#stream(m, call, handler as (arg: unknown, c: CallContext) => AsyncIterable<unknown>);
    }
    const unary = (
      call: ServerUnaryCall<unknown, unknown> | ServerReadableStream<unknown, unknown>,
      done: sendUnaryData<unknown>,
    ) => {
      const context = new Context(call, this.#connections);
      Promise.resolve()
        .then(() => handler(argumentOf(call, context), context))
        .then(
          (value) => done(null, value),
          (error) => done(this.#report(m, error)),
        );
    };
    return unary as unknown as handleBidiStreamingCall<unknown, unknown>;
  }

  async #stream(
    m: AnyMethod,
    call: Answering,
    handler: (arg: unknown, c: CallContext) => AsyncIterable<unknown>,
  ): Promise<void> {
    const context = new Context(call, this.#connections);
    const answers = new Answers(call);
    try {
      for await (const message of handler(argumentOf(call, context), context)) {
        if (context.signal.aborted) return;
        if (!answers.write(message)) await firstOf(call, 'drain', 'cancelled');
      }
      call.end();
    } catch (error) {
      // The event ends the reading of the caller's stream, which takes along what is still to be written.
      await answers.written();
      if (!context.signal.aborted) call.emit('error', this.#report(m, error));
    }
  }

  #report(m: AnyMethod, error: unknown) {
    if (!(error instanceof SwarmError))
      this.#log.error({ rpc: m.path, err: error }, `call failed: ${messageOf(error)}`);
    return toStatus(error);
  }
}

type Answering = ServerWritableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>;
type Reading = ServerReadableStream<unknown, unknown> | ServerDuplexStream<unknown, unknown>;
type AnyCall = ServerUnaryCall<unknown, unknown> | Answering | Reading;

/** What a handler answers on its way out. */
class Answers {
  readonly #call: Answering;
  #pending = 0;
  #written: () => void = () => {};

  constructor(call: Answering) {
    this.#call = call;
  }

  /** @returns whether there is room for more */
  write(message: unknown): boolean {
    this.#pending++;
    return this.#call.write(message, this.#taken);
  }

  /** Resolves when nothing of it waits any more, as also when the call has ended. */
  async written(): Promise<void> {
    if (this.#pending === 0) return;
    await Promise.race([
      firstOf(this.#call, 'cancelled'),
      new Promise<void>((resolve) => {
        this.#written = resolve;
      }),
    ]);
  }

  readonly #taken = (): void => {
    if (--this.#pending === 0) this.#written();
  };
}

/** Made for each call: what a handler does not ask for is not made. */
class Context implements CallContext {
  readonly #call: Pick<AnyCall, 'getPeer' | 'metadata'>;
  #controller: AbortController | undefined;
  #requestId: string | undefined;
  #ended = false;
  readonly #connections: Connections;

  constructor(call: EventEmitter & Pick<AnyCall, 'getPeer' | 'metadata'>, connections: Connections) {
    this.#call = call;
    this.#connections = connections;
    // Emitted at the end of every call, however it ends.
    call.on('cancelled', () => {
      this.#ended = true;
      this.#controller?.abort(ENDED);
    });
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.#ended) this.#controller.abort(ENDED);
    }
    return this.#controller.signal;
  }

  get peer(): string {
    return this.#call.getPeer();
  }

  get received(): Received | undefined {
    return this.#connections.received(this.peer);
  }

  get credential(): NodeCredential | undefined {
    return claimedCredential(this.#call.metadata);
  }

  get requestId(): string {
    this.#requestId ??= requestIdOf(this.#call.metadata);
    return this.#requestId;
  }
}

/** Why signals of calls abort; one for all, since making an error for each costs more than most calls. */
const ENDED = new SwarmError('CANCELLED', 'the call has ended');

function argumentOf(call: AnyCall, context: CallContext): unknown {
  return 'request' in call ? call.request : received(call, context);
}

/**
 * The call is left as it is when the handler has read enough: it still is to be answered. A caller
 * that has gone looks at first like one that has said all: the next turn of the event loop tells.
 */
async function* received(call: Reading, { signal }: CallContext): AsyncIterable<unknown> {
  try {
    for await (const message of call.iterator({ destroyOnReturn: false })) yield message;
    await yieldToLoop();
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  if (signal.aborted) throw new SwarmError('CANCELLED', 'the caller has gone');
}
