import type { Writable } from 'node:stream';
import {
  type ClientDuplexStream,
  type ClientReadableStream,
  Client as GrpcClient,
  type Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import type { Method } from '../runtime.js';
import { channelCredentials, credentialMetadata, type NodeCredential } from './credentials.js';
import { fromStatus } from './errors.js';
import { REQUEST_ID } from './request-id.js';
import { bufferOf, firstOf } from './streams.js';

export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Milliseconds until DEADLINE_EXCEEDED; none when left out. */
  readonly timeout?: number;
  /** What the call is known by in the logs of all nodes; the server chooses when left out. */
  readonly requestId?: string;
}

/** Milliseconds without a sign of life before the other side is asked for one, and how long it may then take. */
export interface KeepAlive {
  readonly interval: number;
  readonly timeout: number;
}

const patient: KeepAlive = { interval: 10_000, timeout: 5_000 };

type AnyMethod = Method<unknown, unknown, boolean, boolean>;
type Stub<M> =
  M extends Method<infer Req, infer Res, infer ReqStream, infer ResStream>
    ? ReqStream extends true
      ? (
          messages: AsyncIterable<Req>,
          options?: CallOptions,
        ) => ResStream extends true ? AsyncIterable<Res> : Promise<Res>
      : ResStream extends true
        ? (request: Req, options?: CallOptions) => AsyncIterable<Res>
        : (request: Req, options?: CallOptions) => Promise<Res>
    : never;

/**
 * One function per RPC: those with one answer give a promise, those with a stream of answers an AsyncIterable, whose
 * call begins when it is read. All throw SwarmError. When a call is over, what it sends is not read any further.
 */
export type Stubs<S> = { readonly [K in keyof S]: Stub<S[K]> };

/** One HTTP/2 connection to a daemon; any number of services share it. */
export class Channel {
  readonly #client: GrpcClient;
  readonly #credential: NodeCredential | undefined;

  /** @param target `host:port` or `unix:///path` */
  constructor(target: string, credential?: NodeCredential, keepAlive = patient) {
    this.#credential = credential;
    this.#client = new GrpcClient(target, channelCredentials(), {
      'grpc.max_receive_message_length': 64 << 20,
      'grpc.max_send_message_length': 64 << 20,
      'grpc.keepalive_time_ms': keepAlive.interval,
      'grpc.keepalive_timeout_ms': keepAlive.timeout,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 2_000,
      'grpc.enable_http_proxy': 0,
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  /** @param defaults what its calls are made with unless they say otherwise */
  stubs<S extends object>(service: S, defaults?: CallOptions): Stubs<S> {
    const entries = Object.entries(service).map(([name, m]) => [name, this.#stub(m as AnyMethod, defaults)] as const);
    return Object.fromEntries(entries) as unknown as Stubs<S>;
  }

  close(): void {
    this.#client.close();
  }

  #stub(m: AnyMethod, defaults: CallOptions | undefined): unknown {
    const all = (own: CallOptions | undefined) => (defaults && own ? { ...defaults, ...own } : (own ?? defaults));
    if (m.requestStream) {
      return (messages: AsyncIterable<unknown>, own?: CallOptions) =>
        m.responseStream ? this.#bidiStream(m, messages, all(own)) : this.#clientStream(m, messages, all(own));
    }
    if (m.responseStream) return (request: unknown, own?: CallOptions) => this.#serverStream(m, request, all(own));
    return (request: unknown, own?: CallOptions) => this.#unary(m, request, all(own));
  }

  #metadata(options: CallOptions | undefined): Metadata {
    const metadata = credentialMetadata(this.#credential);
    if (options?.requestId !== undefined) metadata.set(REQUEST_ID, options.requestId);
    return metadata;
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
        this.#metadata(options),
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
        this.#metadata(options),
        this.#deadline(options),
        (error, value) => (error ? reject(fromStatus(error)) : resolve(value)),
      );
      cancelOn(options?.signal, call);
      pump(messages, call).catch((error) => {
        call.cancel();
        reject(error);
      });
    });
  }

  #serverStream(m: AnyMethod, request: unknown, options?: CallOptions): AsyncIterable<unknown> {
    return answers(options, () =>
      this.#client.makeServerStreamRequest(
        m.path,
        serializer(m),
        m.response.decode,
        request,
        this.#metadata(options),
        this.#deadline(options),
      ),
    );
  }

  #bidiStream(m: AnyMethod, messages: AsyncIterable<unknown>, options?: CallOptions): AsyncIterable<unknown> {
    return answers(options, (fail) => {
      const call = this.#client.makeBidiStreamRequest(
        m.path,
        serializer(m),
        m.response.decode,
        this.#metadata(options),
        this.#deadline(options),
      );
      pump(messages, call).catch((error) => fail(error));
      return call;
    });
  }
}

type Incoming = ClientReadableStream<unknown> | ClientDuplexStream<unknown, unknown>;

/** @param open starts the call; what it gives to `fail` ends it, and is thrown to the reader */
async function* answers(
  options: CallOptions | undefined,
  open: (fail: (error: unknown) => void) => Incoming,
): AsyncIterable<unknown> {
  let failure: { readonly error: unknown } | undefined;
  const call = open((error) => {
    failure = { error };
    call.cancel();
  });
  cancelOn(options?.signal, call);
  try {
    for await (const message of call) yield message;
  } catch (error) {
    if (failure) throw failure.error;
    if (!isServiceError(error)) throw error;
    if (error.code === status.CANCELLED && options?.signal?.aborted) return;
    throw fromStatus(error);
  } finally {
    call.cancel();
  }
}

const serializer = (m: AnyMethod) => (message: unknown) => bufferOf(m.request.encode(message));

/** Sends what the source gives, as fast as the other side takes it, until the source ends or the call is over. */
async function pump(messages: AsyncIterable<unknown>, call: Writable): Promise<void> {
  let over = false;
  call.on('status', () => {
    over = true;
  });
  for await (const message of messages) {
    if (over) return;
    if (!call.write(message)) await firstOf(call, 'drain', 'status');
  }
  call.end();
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && typeof (error as Partial<ServiceError>).code === 'number';
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
