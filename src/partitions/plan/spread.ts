import type { ClosedRange } from '../bounds.ts';
import type { Instant } from '../calendar.ts';

/** How the times of a table are spread, as pg_stats has it of the column (manual, 54.27). */
export interface Spread {
  /** histogram_bounds: between two of them lie equally many rows. */
  readonly bounds: readonly Instant[];
  /** most_common_vals with their shares, which the histogram leaves out. */
  readonly common: ReadonlyArray<readonly [at: Instant, share: number]>;
}

/** The share of the rows before an instant, 0 to 1: within a bucket of the histogram they are taken as spread evenly. */
export function shareBefore({ bounds, common }: Spread, instant: Instant): number {
  const total = common.reduce((sum, [, share]) => sum + share, 0);
  const inCommon = common.reduce((sum, [at, share]) => (at < instant ? sum + share : sum), 0);
  return inCommon + (bounds.length < 2 ? 0 : Math.max(0, 1 - total)) * shareOfBuckets(bounds, instant);
}

function shareOfBuckets(bounds: readonly Instant[], instant: Instant): number {
  const buckets = bounds.length - 1;
  let full = 0;
  for (const [at, upper] of bounds.entries()) {
    const lower = bounds[at - 1];
    if (lower === undefined) continue;
    if (instant <= lower) break;
    if (instant < upper) return (full + Number(instant - lower) / Number(upper - lower)) / buckets;
    full += 1;
  }
  return full / buckets;
}

/** So many of `rows` lie in each range, by the statistics; and in none of them, which is what a DEFAULT partition gets. */
export function rowsInRanges(
  spread: Spread,
  rows: number,
  ranges: readonly ClosedRange[],
): { readonly each: readonly number[]; readonly outside: number } {
  const each = ranges.map(({ from, to }) =>
    Math.round(rows * Math.max(0, shareBefore(spread, to) - shareBefore(spread, from))),
  );
  return { each, outside: Math.max(0, Math.round(rows) - each.reduce((sum, some) => sum + some, 0)) };
}
