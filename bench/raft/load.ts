import { randomBytes } from 'node:crypto';
import { createHistogram } from 'node:perf_hooks';
import type { KvTarget } from './cluster.js';

export interface LoadOptions {
  readonly operation: 'put' | 'get';
  /** Each sends its next operation when the one before is answered. */
  readonly clients: number;
  readonly valueBytes: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

export interface LoadFigures {
  readonly perSecond: number;
  /** Milliseconds from call to answer. */
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** How much of one core the clients took themselves: near 1, they are what limits. */
  readonly clientCores: number;
}

const KEYS_PER_CLIENT = 16;
const NS_PER_MS = 1e6;

/** Counts the operations that were answered between the warm-up and the end. @throws when one fails */
export async function load(target: KvTarget, options: LoadOptions): Promise<LoadFigures> {
  const clients = Array.from({ length: options.clients }, (_, client) => new Client(client, target, options));
  if (options.operation === 'get') await Promise.all(clients.map((client) => client.putAll()));
  const latencies = createHistogram();
  const begin = performance.now() + options.warmUpMs;
  const end = begin + options.measureMs;
  const work = Promise.all(clients.map((client) => client.run(begin, end, (ns) => latencies.record(ns))));
  const [before, after] = await Promise.all([cpuAt(begin), cpuAt(end), work]);
  return {
    perSecond: (latencies.count / options.measureMs) * 1000,
    p50: latencies.percentile(50) / NS_PER_MS,
    p99: latencies.percentile(99) / NS_PER_MS,
    max: latencies.max / NS_PER_MS,
    clientCores: (after - before) / options.measureMs,
  };
}

class Client {
  readonly #number: number;
  readonly #target: KvTarget;
  readonly #options: LoadOptions;
  readonly #value: Buffer;
  #operations = 0;

  constructor(number: number, target: KvTarget, options: LoadOptions) {
    this.#number = number;
    this.#target = target;
    this.#options = options;
    this.#value = randomBytes(options.valueBytes);
  }

  async putAll(): Promise<void> {
    for (let i = 0; i < KEYS_PER_CLIENT; i++) await this.#put();
  }

  async run(begin: number, end: number, record: (nanoseconds: number) => void): Promise<void> {
    for (let called = performance.now(); called < end; ) {
      await (this.#options.operation === 'put' ? this.#put() : this.#get());
      const answered = performance.now();
      if (answered >= begin && answered < end) record(Math.max(1, Math.round((answered - called) * NS_PER_MS)));
      called = answered;
    }
  }

  #nextKey(): string {
    return `bench/${this.#number}/${this.#operations++ % KEYS_PER_CLIENT}`;
  }

  /** No two writes are the same, so none can be left out. */
  #put(): Promise<void> {
    const key = this.#nextKey();
    this.#value.writeDoubleBE(this.#operations);
    return this.#target.put(this.#number, key, this.#value);
  }

  async #get(): Promise<void> {
    const key = this.#nextKey();
    const value = await this.#target.get(this.#number, key);
    if (value?.length !== this.#options.valueBytes) throw new Error(`${key}: ${value?.length} bytes were read`);
  }
}

/** Milliseconds of processor time that this process has used at a moment to come. */
async function cpuAt(time: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, time - performance.now()));
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
