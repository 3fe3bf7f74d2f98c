/** What mesh-scale.ts asks of plane-process.ts, and gets. Times in milliseconds. */
export type Request =
  /** Makes a node with so many published ports, anew. */
  | { readonly kind: 'make'; readonly services: number }
  /** Replaces tasks one after another, each when the one before is done. */
  | { readonly kind: 'change'; readonly times: number }
  /** Replaces tasks at a steady rate, whether the ones before are done or not. */
  | { readonly kind: 'churn'; readonly perSecond: number; readonly seconds: number }
  /** Reads everything, and compares it. */
  | { readonly kind: 'look' }
  | { readonly kind: 'end' };

export interface Cost {
  readonly wall: number;
  /** Processor time in the process itself. */
  readonly user: number;
  /** Processor time in the kernel for the process. */
  readonly system: number;
}

export interface Answer {
  /** Of each change, or of all that was asked. */
  readonly costs: readonly Cost[];
  /** Of each change, from when it was asked until the kernel had it. */
  readonly delays: readonly number[];
  /** Passes over the state. */
  readonly passes: number;
}
