/** How many tasks a load asks for: the arithmetic of Kubernetes' HorizontalPodAutoscaler. */

/** Part of the target by which the load may differ from it without consequence. */
const TOLERANCE = 0.1;
/** Keeps a quotient that is whole but for rounding from asking for one task more. */
const ROUNDING = 1e-9;

export interface Load {
  /** Tasks that there are to be now. */
  readonly replicas: number;
  /** Of each task that has reported: what it uses, as a multiple of the target. */
  readonly shares: readonly number[];
  /** What a task that is wholly busy uses, likewise; 1 or more. */
  readonly busy: number;
}

/**
 * So many tasks that each uses what the target says. Tasks of which nothing is known are taken for idle when
 * there seem to be too few, and for busy when there seem to be too many: what is not known never makes a change
 * larger, and never turns it round.
 */
export function recommend({ replicas, shares, busy }: Load): number {
  if (shares.length === 0) return replicas;
  const used = shares.reduce((sum, share) => sum + share, 0);
  const average = used / shares.length;
  const missing = Math.max(0, replicas - shares.length);
  const count = shares.length + missing;
  const likely = (used + (average < 1 ? missing * busy : 0)) / count;
  const isBeside = [average, likely].some((share) => Math.abs(share - 1) <= TOLERANCE);
  if (isBeside || average < 1 !== likely < 1) return replicas;
  return Math.max(0, Math.ceil(likely * count - ROUNDING));
}

/** Adding tasks has a limit, so that an error of measurement does not fill the swarm: twice as many, or four more. */
export function limitStep(replicas: number, asked: number): number {
  return Math.min(asked, Math.max(2 * replicas, replicas + 4));
}
