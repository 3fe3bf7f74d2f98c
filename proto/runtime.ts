import type { Reader, Writer } from 'protobufjs';
import protobuf from 'protobufjs/minimal.js';

/**
 * The codec of one message. Messages are plain readonly objects: copy with a spread, compare with
 * deepEqual. Encoding leaves out fields that have their default; decoding puts them back.
 */
export interface MessageType<T> {
  /** The full protobuf name, as in `tsswarm.v1.Task`. */
  readonly name: string;
  /** A message with every field set: to the given value or to its default. */
  create(fields?: Partial<T>): T;
  /** @throws RangeError when a 64-bit field holds no safe integer */
  encode(message: T): Uint8Array;
  /** @throws RangeError on truncated input, or when a 64-bit field is beyond 2^53 */
  decode(bytes: Uint8Array): T;
  encodeTo(message: T, writer: Writer): Writer;
  decodeFrom(reader: Reader, length?: number): T;
}

/** One RPC: its HTTP/2 path, its messages, and which sides stream. */
export interface Method<Req, Res, ReqStream extends boolean, ResStream extends boolean> {
  readonly path: string;
  readonly request: MessageType<Req>;
  readonly response: MessageType<Res>;
  readonly requestStream: ReqStream;
  readonly responseStream: ResStream;
}

export function method<Req, Res, A extends boolean, B extends boolean>(
  path: string,
  request: MessageType<Req>,
  response: MessageType<Res>,
  requestStream: A,
  responseStream: B,
): Method<Req, Res, A, B> {
  return { path, request, response, requestStream, responseStream };
}

// protobufjs hands out Long objects when it finds that package; plain numbers are what we want.
protobuf.util.Long = undefined as unknown as typeof protobuf.util.Long;
protobuf.configure();

/** A decoded 64-bit field. @throws RangeError beyond 2^53, where a number is no longer exact */
export function num(value: unknown): number {
  if (!Number.isSafeInteger(value))
    throw new RangeError(`64-bit field out of the safe integer range: ${String(value)}`);
  return value as number;
}

export function safe(value: number, field: string): number {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${field}: ${value} is not a safe integer`);
  return value;
}

/** What fields without any value hold, one for all messages: most fields of most messages are empty. */
export const NO_BYTES = new Uint8Array(0);
export const NO_ITEMS: readonly never[] = Object.freeze([]);
export const NO_ENTRIES: Readonly<Record<string, never>> = Object.freeze({});

/** A list that is being read, with one item more. */
export function withItem<V>(list: readonly V[], item: V): readonly V[] {
  if (list === NO_ITEMS) return [item];
  (list as V[]).push(item);
  return list;
}

/** A map that is being read, with an entry as an own property, whatever its key (`__proto__` arrives from the wire too). */
export function withEntry<V>(map: Readonly<Record<string, V>>, key: string, value: V): Readonly<Record<string, V>> {
  const entries: Record<string, V> = map === NO_ENTRIES ? {} : map;
  if (key === '__proto__')
    Object.defineProperty(entries, key, { value, enumerable: true, writable: true, configurable: true });
  else entries[key] = value;
  return entries;
}
