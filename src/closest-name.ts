/** Finds what a person probably meant by a name that is not known. */

/** How many single letters must be added, dropped, changed or swapped with a neighbour to get from one name to the other. */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, changed);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

const plain = (name: string) => name.toLowerCase().replaceAll(/[-_\s]/g, '');

/** The known name nearest to `name` by edit distance (case, `-` and `_` do not count), or null when none is near enough to be meant. */
export function closestName(name: string, known: readonly string[]): string | null {
  let closest: string | null = null;
  let least = Math.max(1, Math.floor(plain(name).length / 3)) + 1;
  for (const candidate of known) {
    const steps = distance(plain(name).slice(0, 64), plain(candidate));
    if (steps < least) {
      least = steps;
      closest = candidate;
    }
  }
  return closest;
}
