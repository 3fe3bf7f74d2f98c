/** A number of tasks that the load asked for, or that was set, and when; milliseconds since the epoch. */
export interface Recommendation {
  readonly at: number;
  readonly replicas: number;
}

export interface Windows {
  /** Milliseconds for which the load must ask for more. */
  readonly up: number;
  /** Milliseconds for which it must ask for fewer. */
  readonly down: number;
}

/**
 * The number of tasks that there shall be: more, as many as were asked for all through the last `up`; fewer, as
 * many as were enough all through the last `down`. A number that was set counts as a recommendation, so that it
 * holds for as long as a window.
 */
export function stabilise(past: readonly Recommendation[], current: number, now: number, windows: Windows): number {
  const within = (window: number) => past.filter(({ at }, i) => at > now - window || i === past.length - 1);
  const least = Math.min(...within(windows.up).map(({ replicas }) => replicas));
  const most = Math.max(...within(windows.down).map(({ replicas }) => replicas));
  return Math.min(Math.max(current, least), most);
}

/** What of the past still counts. */
export function recent(past: readonly Recommendation[], now: number, { up, down }: Windows): readonly Recommendation[] {
  const begin = now - Math.max(up, down);
  return past.filter(({ at }) => at > begin);
}
