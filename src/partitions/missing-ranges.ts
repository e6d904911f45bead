import { type ClosedRange, type Gap, type Range, uncovered } from './bounds.ts';
import { type Calendar, type Instant, shifted, startOf } from './calendar.ts';

/** How far partitions have to reach. */
export interface Horizon {
  readonly now: Instant;
  /** So many whole periods behind the present one. */
  readonly lead: number;
}

/** From the beginning of the present period to the end of the last one within the lead. */
export function horizonOf(calendar: Calendar, { now, lead }: Horizon): ClosedRange {
  const from = startOf(calendar, now);
  return { from, to: shifted(calendar, from, lead + 1) };
}

/**
 * The ranges of the partitions that are missing for a horizon, in order: one a period. A table whose partitions end in
 * the middle of a period (their bounds follow another zone, or a cutover) gets one from there to the end of the next
 * period, so that there is neither a hole nor an overlap and all further ones follow the calendar.
 */
export function missingRanges(calendar: Calendar, covered: readonly Range[], horizon: Horizon): readonly ClosedRange[] {
  return uncovered(covered, horizonOf(calendar, horizon)).flatMap((gap) =>
    cutAtPeriods(calendar, gap, horizonOf(calendar, horizon)),
  );
}

function cutAtPeriods(calendar: Calendar, gap: Gap, { to: enough }: ClosedRange): readonly ClosedRange[] {
  const ranges: ClosedRange[] = [];
  for (let from = gap.from; from < enough && (gap.to === null || from < gap.to); ) {
    const start = startOf(calendar, from);
    const periodEnd = shifted(calendar, start, start === from ? 1 : 2);
    const to = gap.to !== null && gap.to < periodEnd ? gap.to : periodEnd;
    ranges.push({ from, to });
    from = to;
  }
  return ranges;
}
