/** What entries-process.ts measures and entries.ts shows. */
/** Times in milliseconds. */
export interface Pass {
  readonly milliseconds: number;
  /** The longest that the event loop had to wait. */
  readonly longestBlock: number;
  /** The most that the process computed in one turn of it: what is left of a block without the machine's other work. */
  readonly longestBusy: number;
  readonly operations: number;
}

export interface EntriesFigures {
  readonly join: Pass;
  readonly again: Pass;
  readonly look: Pass;
  readonly manyNetworks: Pass;
  readonly manyNetworksLook: Pass;
  readonly teardown: Pass;
}

export const ENDPOINTS = 1000;
export const NETWORKS = 50;
export const LOCAL = 500;
export const GONE = 100;
