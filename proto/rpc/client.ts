import type { Writable } from 'node:stream';
import { type ClientReadableStream, Client as GrpcClient, type ServiceError, status } from '@grpc/grpc-js';
import type { Method } from '../runtime.js';
import { channelCredentials, credentialMetadata, type NodeCredential } from './credentials.js';
import { fromStatus } from './errors.js';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds until DEADLINE_EXCEEDED; none when left out. */
  readonly timeout?: number;
}

type AnyMethod = Method<unknown, unknown, boolean, boolean>;
type Stub<M> =
  M extends Method<infer Req, infer Res, infer ReqStream, infer ResStream>
    ? ReqStream extends true
      ? (messages: AsyncIterable<Req>, options?: CallOptions) => Promise<Res>
      : ResStream extends true
        ? (request: Req, options?: CallOptions) => AsyncIterable<Res>
        : (request: Req, options?: CallOptions) => Promise<Res>
    : never;

/** One function per RPC: unary ones give a promise, server streams an AsyncIterable. All throw SwarmError. */
export type Stubs<S> = { readonly [K in keyof S]: Stub<S[K]> };

/** One HTTP/2 connection to a daemon; any number of services share it. */
export class Channel {
  readonly #client: GrpcClient;
  readonly #credential: NodeCredential | undefined;

  /** @param target `host:port` or `unix:///path` */
  constructor(target: string, credential?: NodeCredential) {
    this.#credential = credential;
    this.#client = new GrpcClient(target, channelCredentials(), {
      'grpc.max_receive_message_length': 64 << 20,
      'grpc.max_send_message_length': 64 << 20,
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5_000,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 2_000,
      'grpc.enable_http_proxy': 0,
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  stubs<S extends object>(service: S): Stubs<S> {
    const entries = Object.entries(service).map(([name, m]) => [name, this.#stub(m as AnyMethod)] as const);
    return Object.fromEntries(entries) as unknown as Stubs<S>;
  }

  close(): void {
    this.#client.close();
  }

  #stub(m: AnyMethod): unknown {
    if (m.requestStream)
      return (messages: AsyncIterable<unknown>, options?: CallOptions) => this.#clientStream(m, messages, options);
    if (m.responseStream) return (request: unknown, options?: CallOptions) => this.#serverStream(m, request, options);
    return (request: unknown, options?: CallOptions) => this.#unary(m, request, options);
  }

  #deadline(options: CallOptions | undefined) {
    return options?.timeout === undefined ? {} : { deadline: Date.now() + options.timeout };
  }

  #unary(m: AnyMethod, request: unknown, options?: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        m.path,
        serializer(m),
        m.response.decode,
        request,
        credentialMetadata(this.#credential),
        this.#deadline(options),
        (error, value) => (error ? reject(fromStatus(error)) : resolve(value)),
      );
      cancelOn(options?.signal, call);
    });
  }

  #clientStream(m: AnyMethod, messages: AsyncIterable<unknown>, options?: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeClientStreamRequest(
        m.path,
        serializer(m),
        m.response.decode,
        credentialMetadata(this.#credential),
        this.#deadline(options),
        (error, value) => (error ? reject(fromStatus(error)) : resolve(value)),
      );
      cancelOn(options?.signal, call);
      const pump = async () => {
        for await (const message of messages) {
          if (call.destroyed) return;
          if (!call.write(message)) await drained(call);
        }
        call.end();
      };
      pump().catch((error) => {
        call.cancel();
        reject(error);
      });
    });
  }

  async *#serverStream(m: AnyMethod, request: unknown, options?: CallOptions): AsyncIterable<unknown> {
    const call: ClientReadableStream<unknown> = this.#client.makeServerStreamRequest(
      m.path,
      serializer(m),
      m.response.decode,
      request,
      credentialMetadata(this.#credential),
      this.#deadline(options),
    );
    cancelOn(options?.signal, call);
    try {
      for await (const message of call) yield message;
    } catch (error) {
      if (isServiceError(error)) {
        if (error.code === status.CANCELLED && options?.signal?.aborted) return;
        throw fromStatus(error);
      }
      throw error;
    } finally {
      call.cancel();
    }
  }
}

const serializer = (m: AnyMethod) => (message: unknown) => Buffer.from(m.request.encode(message));

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && typeof (error as Partial<ServiceError>).code === 'number';
}

/** Resolves when the stream takes more, or when it is over. */
function drained(call: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      call.off('drain', done).off('close', done);
      resolve();
    };
    call.on('drain', done).on('close', done);
  });
}

function cancelOn(
  signal: AbortSignal | undefined,
  call: { cancel(): void; on(event: string, listener: () => void): unknown },
): void {
  if (!signal) return;
  const cancel = () => call.cancel();
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel, { once: true });
  const forget = () => signal.removeEventListener('abort', cancel);
  call.on('status', forget);
  call.on('error', forget);
}
