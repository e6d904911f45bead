import { type ClosedRange, type Range, uncovered } from './bounds.ts';
import { type Calendar, type Instant, shifted, startOf } from './calendar.ts';

/**
 * The ranges of the partitions that rows in a DEFAULT partition wait for, in order: what no partition covers of the
 * periods that these days lie in. A day lies in one period only, since both follow UTC.
 */
export function waitingRanges(
  calendar: Calendar,
  covered: readonly Range[],
  days: readonly Instant[],
): readonly ClosedRange[] {
  const starts = [...new Set(days.map((day) => startOf(calendar, day)))].sort((a, b) => (a < b ? -1 : 1));
  return starts.flatMap((from) => {
    const to = shifted(calendar, from, 1);
    return uncovered(covered, { from, to }).map((gap) => ({
      from: gap.from,
      to: gap.to === null || gap.to > to ? to : gap.to,
    }));
  });
}
