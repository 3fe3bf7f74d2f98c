import {
  Server as GrpcServer,
  type handleBidiStreamingCall,
  type Metadata,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { internal, messageOf, SwarmError } from '../../lib/errors.js';
import type { Logger } from '../../lib/log.js';
import type { Method } from '../runtime.js';
import { claimedCredential, type NodeCredential, serverCredentials } from './credentials.js';
import { toStatus } from './errors.js';

/** What a handler knows of the call it serves. */
export interface CallContext {
  /** Aborted when the caller has gone. */
  readonly signal: AbortSignal;
  /** The caller's address as gRPC names it: `ipv4:203.0.113.2:40000`, or of a unix socket. */
  readonly peer: string;
  /** What the caller claims to be; to be checked against the store. */
  readonly credential: NodeCredential | undefined;
}

type AnyMethod = Method<unknown, unknown, boolean, boolean>;
type Handler<M> =
  M extends Method<infer Req, infer Res, infer ReqStream, infer ResStream>
    ? ReqStream extends true
      ? (messages: AsyncIterable<Req>, context: CallContext) => Promise<Res>
      : ResStream extends true
        ? (request: Req, context: CallContext) => AsyncIterable<Res>
        : (request: Req, context: CallContext) => Promise<Res>
    : never;

/** One function per RPC. A SwarmError that it throws reaches the caller whole; anything else as INTERNAL. */
export type Handlers<S> = { readonly [K in keyof S]: Handler<S[K]> };

/** A gRPC server on any number of addresses. */
export class RpcServer {
  readonly #server = new GrpcServer({
    'grpc.max_receive_message_length': 64 << 20,
    'grpc.max_send_message_length': 64 << 20,
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
  });
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
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
        requestSerialize: (v: unknown) => Buffer.from(m.request.encode(v)),
        requestDeserialize: m.request.decode,
        responseSerialize: (v: unknown) => Buffer.from(m.response.encode(v)),
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
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(address, serverCredentials(), (error, port) =>
        error
          ? reject(
              new SwarmError('UNAVAILABLE', `cannot listen on ${address}: ${error.message}`, {
                value: address,
                cause: error,
              }),
            )
          : resolve(port),
      );
    });
  }

  /** Ends all calls. Streams that clients hold open do not delay it. */
  close(): void {
    this.#server.forceShutdown();
  }

  #implementation(m: AnyMethod, handler: (arg: unknown, context: CallContext) => unknown): UntypedHandleCall {
    if (m.responseStream) {
      return (call: ServerWritableStream<unknown, unknown>) =>
        void this.#stream(m, call, handler as (arg: unknown, c: CallContext) => AsyncIterable<unknown>);
    }
    const unary = (
      call: ServerUnaryCall<unknown, unknown> | ServerReadableStream<unknown, unknown>,
      done: sendUnaryData<unknown>,
    ) => {
      const { context } = contextOf(call);
      const argument = m.requestStream ? call : (call as ServerUnaryCall<unknown, unknown>).request;
      Promise.resolve()
        .then(() => handler(argument, context))
        .then(
          (value) => done(null, value),
          (error) => done(this.#report(m, error)),
        );
    };
    return unary as unknown as handleBidiStreamingCall<unknown, unknown>;
  }

  async #stream(
    m: AnyMethod,
    call: ServerWritableStream<unknown, unknown>,
    handler: (arg: unknown, c: CallContext) => AsyncIterable<unknown>,
  ): Promise<void> {
    const { context, closed } = contextOf(call);
    try {
      for await (const message of handler(call.request, context)) {
        if (context.signal.aborted) return;
        if (!call.write(message)) await Promise.race([new Promise((resolve) => call.once('drain', resolve)), closed]);
      }
      call.end();
    } catch (error) {
      if (!context.signal.aborted) call.emit('error', this.#report(m, error));
    }
  }

  #report(m: AnyMethod, error: unknown) {
    if (!(error instanceof SwarmError))
      this.#log.error({ rpc: m.path, err: error }, `call failed: ${messageOf(error)}`);
    return toStatus(error);
  }
}

interface ServerCall {
  readonly metadata: Metadata;
  getPeer(): string;
  on(event: string, listener: () => void): unknown;
}

function contextOf(call: ServerCall): { context: CallContext; closed: Promise<void> } {
  const controller = new AbortController();
  const closed = new Promise<void>((resolve) => {
    const end = () => {
      controller.abort();
      resolve();
    };
    call.on('cancelled', end);
    call.on('close', end);
  });
  return {
    context: { signal: controller.signal, peer: call.getPeer(), credential: claimedCredential(call.metadata) },
    closed,
  };
}
