import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Edge, overlaps, type Range } from '../../../src/partitions/bounds.ts';
import { calendarOf, instantOf, isoOf, periods, shifted, startOf } from '../../../src/partitions/calendar.ts';
import { horizonOf, missingRanges } from '../../../src/partitions/missing-ranges.ts';

const at = (text: string) => instantOf(new Date(text));
const month = calendarOf('month');
const now = at('2026-11-22T13:00:00Z');
const range = (from: string | null, to: string | null): Range => ({
  from: from === null ? null : at(from),
  to: to === null ? null : at(to),
});
const missing = (covered: readonly Range[], lead: number) =>
  missingRanges(month, covered, { now, lead }).map(({ from, to }) => `${isoOf(from)} ${isoOf(to)}`);

const november = range('2026-11-01T00:00:00Z', '2026-12-01T00:00:00Z');

test('a table without partitions gets the present period and those of the lead', () => {
  expect(missing([], 2)).toEqual([
    '2026-11-01T00:00:00Z 2026-12-01T00:00:00Z',
    '2026-12-01T00:00:00Z 2027-01-01T00:00:00Z',
    '2027-01-01T00:00:00Z 2027-02-01T00:00:00Z',
  ]);
});

test('what is there is not made again, in whatever order it is listed, and holes are filled', () => {
  const january = range('2027-01-01T00:00:00Z', '2027-02-01T00:00:00Z');

  expect(missing([january, november], 2)).toEqual(['2026-12-01T00:00:00Z 2027-01-01T00:00:00Z']);
  expect(missing([november], 0)).toEqual([]);
});

test('a partition without an end covers everything behind its beginning', () => {
  expect(missing([november, range('2026-12-01T00:00:00Z', null)], 12)).toEqual([]);
  expect(missing([range(null, null)], 3)).toEqual([]);
});

test('behind partitions of another time zone comes one that reaches the calendar, without a hole', () => {
  const berlin = range('2026-10-31T23:00:00Z', '2026-11-30T23:00:00Z');

  expect(missing([range(null, '2026-10-31T23:00:00Z'), berlin], 2)).toEqual([
    '2026-11-30T23:00:00Z 2027-01-01T00:00:00Z',
    '2027-01-01T00:00:00Z 2027-02-01T00:00:00Z',
  ]);
});

test('a larger partition further ahead bounds the last one before it', () => {
  const later = range('2026-12-20T00:00:00Z', '2027-06-01T00:00:00Z');

  expect(missing([november, later], 3)).toEqual(['2026-12-01T00:00:00Z 2026-12-20T00:00:00Z']);
});

/** Partitions that do not overlap, some of them open, some at odd instants. */
const partitions = fc
  .tuple(fc.uniqueArray(fc.integer({ min: -400, max: 400 }), { maxLength: 8 }), fc.boolean(), fc.boolean())
  .map(([hours, isOpenBelow, isOpenAbove]) => {
    const cuts = hours.toSorted((a, b) => a - b).map((hour) => now + BigInt(hour) * 3_600_000_000n * 7n);
    const edges: Edge[] = [...(isOpenBelow ? [null] : []), ...cuts, ...(isOpenAbove ? [null] : [])];
    return edges
      .slice(1)
      .flatMap((to, index): Range[] => (index % 2 === 0 ? [{ from: edges[index] ?? null, to }] : []));
  });

test('with what is there the missing ones cover the horizon, and none of them overlaps another', () => {
  fc.assert(
    fc.property(fc.constantFrom(...periods), partitions, fc.integer({ min: 0, max: 14 }), (period, covered, lead) => {
      const calendar = calendarOf(period);
      const made = missingRanges(calendar, covered, { now, lead });
      const all = [...covered, ...made];
      for (const [index, one] of all.entries()) {
        for (const other of all.slice(index + 1)) expect(overlaps(one, other)).toBe(false);
      }
      for (const { from, to } of made) expect(from < to).toBe(true);
      const { from, to } = horizonOf(calendar, { now, lead });
      for (let step = 0n; step < 50n; step++) {
        const instant = from + ((to - from) * step) / 50n;
        const covering = all.filter(
          (one) => (one.from === null || one.from <= instant) && (one.to === null || instant < one.to),
        );
        expect(covering).toHaveLength(1);
      }
      expect(missingRanges(calendar, all, { now, lead })).toEqual([]);
      expect(startOf(calendar, shifted(calendar, from, lead))).toBe(shifted(calendar, from, lead));
    }),
    { numRuns: 300, seed: 20261122 },
  );
});
