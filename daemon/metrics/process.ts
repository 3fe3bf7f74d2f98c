import { readdirSync, readFileSync } from 'node:fs';
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from '../../lib/clock.js';
import type { Measurement } from './exposition.js';

/** Milliseconds between two looks at the event loop: each of them wakes the process. */
const RESOLUTION = 20;
/** Milliseconds after a scrape for which the next one is expected. */
const PATIENCE = 300_000;
const NS = 1e9;

/**
 * The daemon's process itself. The delay of its event loop is measured from a scrape on, as long as others follow: a
 * process that nobody asks about is not woken for it. Close it.
 */
export class ProcessMeter {
  readonly #clock: Clock;
  #delay: IntervalHistogram | undefined;
  #forget = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
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
    this.#measureDelay(into);
  }

  close(): void {
    this.#forget();
    this.#delay?.disable();
    this.#delay = undefined;
  }

  #measureDelay(into: Measurement): void {
    this.#forget();
    this.#forget = this.#clock.after(PATIENCE, () => this.close());
    if (!this.#delay) {
      this.#delay = monitorEventLoopDelay({ resolution: RESOLUTION });
      this.#delay.enable();
      return;
    }
    into.set('nodejs_eventloop_lag_p50_seconds', lag(this.#delay.percentile(50)));
    into.set('nodejs_eventloop_lag_p99_seconds', lag(this.#delay.percentile(99)));
    into.set('nodejs_eventloop_lag_max_seconds', lag(this.#delay.max));
    this.#delay.reset();
  }
}

/** Node.js tells from one look to the next, of which the time between them is no delay. */
const lag = (ns: number): number => Math.max(0, ns / NS - RESOLUTION / 1000);

/** The soft limit, of proc_pid_limits(5). */
function maxDescriptors(limits: string): number {
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY);
}
