/**
 * How new connections to a published port are spread: in turn (`rr`, `wrr`: both by weight), to who has the fewest
 * (`lc`, by weight `wlc`), by the client's address (`sh`; `mh` moves few clients when a task comes or goes).
 */
export const SCHEDULERS = ['rr', 'wrr', 'lc', 'wlc', 'sh', 'mh'] as const;

export type Scheduler = (typeof SCHEDULERS)[number];

export const isScheduler = (name: string): name is Scheduler => (SCHEDULERS as readonly string[]).includes(name);
