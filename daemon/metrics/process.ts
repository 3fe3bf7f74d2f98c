import { readdirSync, readFileSync } from 'node:fs';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { Measurement } from './exposition.js';

/** Milliseconds between two looks at the event loop. */
const RESOLUTION = 10;
const NS = 1e9;

/** The daemon's process itself. Close it. */
export class ProcessMeter {
  readonly #delay: IntervalHistogram = monitorEventLoopDelay({ resolution: RESOLUTION });

  constructor() {
    this.#delay.enable();
  }

  measure(into: Measurement): void {
    const { user, system } = process.cpuUsage();
    const { rss, heapUsed } = process.memoryUsage();
    into.set('process_start_time_seconds', Math.round(performance.timeOrigin) / 1000);
    into.set('process_cpu_seconds_total', (user + system) / 1e6);
    into.set('process_resident_memory_bytes', rss);
    into.set('process_open_fds', readdirSync('/proc/self/fd').length);
    into.set('process_max_fds', maxDescriptors(readFileSync('/proc/self/limits', 'utf8')));
    into.set('nodejs_heap_size_used_bytes', heapUsed);
    into.set('nodejs_eventloop_lag_p50_seconds', lag(this.#delay.percentile(50)));
    into.set('nodejs_eventloop_lag_p99_seconds', lag(this.#delay.percentile(99)));
    into.set('nodejs_eventloop_lag_max_seconds', lag(this.#delay.max));
    this.#delay.reset();
  }

  close(): void {
    this.#delay.disable();
  }
}

/** Node.js tells from one look to the next, of which the time between them is no delay. */
const lag = (ns: number): number => Math.max(0, ns / NS - RESOLUTION / 1000);

/** The soft limit, of proc_pid_limits(5). */
function maxDescriptors(limits: string): number {
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
}
