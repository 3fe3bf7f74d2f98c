import protobuf from 'protobufjs';
import { Channel } from '../../proto/rpc/client.js';
import { type MessageType, method } from '../../proto/runtime.js';
import type { KvTarget, TargetDescription } from './cluster.js';

/** The fields of etcd's rpc.proto and kv.proto that are used here; the others are skipped when read. */
const { root } = protobuf.parse(`
  syntax = "proto3";
  message PutRequest { bytes key = 1; bytes value = 2; }
  message PutResponse {}
  message RangeRequest { bytes key = 1; }
  message RangeResponse { repeated KeyValue kvs = 2; }
  message KeyValue { bytes value = 5; }
`);

interface PutRequest {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}
interface RangeRequest {
  readonly key: Uint8Array;
}
interface RangeResponse {
  readonly kvs: readonly { readonly value: Uint8Array }[];
}

/** What `rpc/` needs of a message, by protobufjs' reflection. */
function messageType<T extends object>(name: string): MessageType<T> {
  const type = root.lookupType(name);
  return {
    name,
    create: (fields) => type.create(fields) as unknown as T,
    encode: (message) => type.encode(message).finish(),
    decode: (bytes) => type.decode(bytes) as unknown as T,
    encodeTo: (message, writer) => type.encode(message, writer),
    decodeFrom: (reader, length) => type.decode(reader, length) as unknown as T,
  };
}

/** etcd's v3 API, of which both systems serve these two calls: the clients are the same. */
export const Kv = {
  put: method(
    '/etcdserverpb.KV/Put',
    messageType<PutRequest>('PutRequest'),
    messageType<object>('PutResponse'),
    false,
    false,
  ),
  range: method(
    '/etcdserverpb.KV/Range',
    messageType<RangeRequest>('RangeRequest'),
    messageType<RangeResponse>('RangeResponse'),
    false,
    false,
  ),
} as const;

/** A client of that API. A range is linearizable unless it asks for less. */
export function openTarget({ members }: TargetDescription): KvTarget {
  const channels = members.map((member) => new Channel(member));
  const stubs = channels.map((channel) => channel.stubs(Kv));
  const memberOf = (client: number) => {
    const stub = stubs[client % stubs.length];
    if (!stub) throw new RangeError(`no member for client ${client}`);
    return stub;
  };
  return {
    async put(client, key, value) {
      await memberOf(client).put({ key: Buffer.from(key), value });
    },
    async get(client, key) {
      return (await memberOf(client).range({ key: Buffer.from(key) })).kvs[0]?.value;
    },
    async close() {
      for (const channel of channels) channel.close();
    },
  };
}
