/** What two lists of a set's elements differ in. Pure. */

export interface ElementsDifference {
  readonly missing: readonly string[];
  readonly gone: readonly string[];
}

/** How far one list is looked through for where the other goes on. */
const LOOK_AHEAD = 64;

/**
 * Elements are unique in each list. Most often both have nearly the same in the same order, for what is there is what
 * was wanted before: then one walk along both finds the few that differ, and no set of all is made.
 */
export function differenceOf(wanted: readonly string[], now: readonly string[]): ElementsDifference {
  if (wanted === now) return { missing: [], gone: [] };
  const extra: string[] = [];
  const lost: string[] = [];
  let [i, j] = [0, 0];
  while (i < wanted.length && j < now.length) {
    if (wanted[i] === now[j]) {
      i++;
      j++;
      continue;
    }
    const [further, along] = meeting(wanted, i, now, j);
    if (further === undefined || along === undefined) break;
    extra.push(...wanted.slice(i, further));
    lost.push(...now.slice(j, along));
    [i, j] = [further, along];
  }
  // One that has moved is in both.
  const wantedRest = new Set([...extra, ...wanted.slice(i)]);
  const nowRest = new Set([...lost, ...now.slice(j)]);
  return {
    missing: [...wantedRest].filter((element) => !nowRest.has(element)),
    gone: [...nowRest].filter((element) => !wantedRest.has(element)),
  };
}

/** The nearest place from which both go on alike, as a pair of indexes. */
function meeting(a: readonly string[], i: number, b: readonly string[], j: number): [number, number] | [] {
  for (let distance = 1; distance <= LOOK_AHEAD; distance++) {
    for (let step = 0; step <= distance; step++) {
      const [x, y] = [i + step, j + distance - step];
      if (x < a.length && y < b.length && a[x] === b[y]) return [x, y];
    }
  }
  return [];
}
